/* Sections of work on threads, whose units are taken in pieces: each unit must be done once, by whichever worker.
 * usage: workers_driver THREADS SECTIONS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kgpt/pieces.h"
#include "kgpt/platform.h"
#include "kgpt/str.h"

#define MOST_UNITS 3000u
#define SLOW_UNITS 40u /* a slow core's units take so many times longer */

bool kg_linux_fault_later(const char *kind);

uint64_t plat_ticks(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool kg_streq(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

struct job {
    struct kg_pieces pieces;
    unsigned char done[MOST_UNITS]; /* not atomic: ThreadSanitizer reports two workers with the same unit */
    unsigned by_worker[256][16];    /* units that each worker did; rows on their own cache lines */
    volatile unsigned work;
};

static void do_pieces(void *context, uint32_t worker, uint32_t workers)
{
    struct job *job = context;
    struct kg_pieces_walk walk = {0};
    for (uint32_t from, to; kg_pieces_take(&job->pieces, &walk, worker, workers, &from, &to);) {
        for (uint32_t i = from; i < to; i++) {
            for (uint32_t j = 0; worker == 0 && j < SLOW_UNITS; j++) {
                (void)plat_ticks();
            }
            job->done[i]++;
            job->by_worker[worker][0]++;
        }
    }
}

static void fail(const char *what, uint32_t units)
{
    printf("%s with %u units\n", what, units);
    exit(1);
}

/* Returns how many units the slow worker 0 did. */
static unsigned run_section(struct job *job, uint32_t units, uint32_t least)
{
    memset(job, 0, sizeof *job);
    job->pieces.units = units;
    job->pieces.least = least;
    plat_parallel(do_pieces, job);
    for (uint32_t i = 0; i < units; i++) {
        if (job->done[i] != 1) {
            fail(job->done[i] ? "a unit was done twice" : "a unit was not done", units);
        }
    }
    return job->by_worker[0][0];
}

int main(int argc, char **argv)
{
    static struct job job;
    if (argc < 3) {
        return 2;
    }
    struct kg_cpus cpus = plat_start_cpus((uint32_t)atoi(argv[1]), NULL);
    uint32_t sections = (uint32_t)atoi(argv[2]), seed = 1;
    unsigned slow = 0, all = 0;
    for (uint32_t i = 0; i < sections; i++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t units = i < 20 ? i : (seed >> 8) % (MOST_UNITS + 1);
        slow += run_section(&job, units, 1 + seed % 9);
        all += units;
        if (i % 64 == 63) { /* long enough for the others to fall asleep */
            const struct timespec pause = {.tv_nsec = 3000000};
            nanosleep(&pause, NULL);
        }
    }
    printf("%u threads, %u sections, slow %u of %u\n", cpus.started, sections, slow, all);
    return 0;
}
