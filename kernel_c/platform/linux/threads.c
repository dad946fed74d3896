/* Threads in place of processors. A waiting thread first spins, because the next section of a training is
 * microseconds away, then sleeps on a condition variable. */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

#include "kgpt/str.h"
#include "linux.h"

#define MOST_THREADS 256
#define PATIENCE 2000 /* iterations of the spin, about 50 microseconds */

struct thread {
    uint32_t number;
    uint32_t done;              /* the last section of work it completed */
} __attribute__((aligned(64))); /* separate cache lines */

static struct thread threads[MOST_THREADS];
static struct kg_cpus result;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t announced = PTHREAD_COND_INITIALIZER;
static bool is_deaf, is_broken; /* deliberate faults */

static struct {
    void (*work)(void *context, uint32_t worker, uint32_t workers);
    void *context;
    uint32_t number; /* of the last section; written under the mutex, also read without it */
} section __attribute__((aligned(64)));

static bool has_section(uint32_t last)
{
    return __atomic_load_n(&section.number, __ATOMIC_ACQUIRE) != last;
}

static void wait_for_thread_section(uint32_t last)
{
    for (int i = 0; i < PATIENCE; i++) {
        if (has_section(last)) {
            return;
        }
        __builtin_ia32_pause();
    }
    pthread_mutex_lock(&mutex);
    while (!has_section(last)) {
        pthread_cond_wait(&announced, &mutex);
    }
    pthread_mutex_unlock(&mutex);
}

static void *serve_sections(void *argument)
{
    struct thread *own = argument;
    for (uint32_t last = 0;;) {
        wait_for_thread_section(last);
        last++; /* the next section starts after all have completed this one */
        if (is_broken) {
            __asm__ volatile("ud2");
        }
        section.work(section.context, own->number, result.started);
        __atomic_store_n(&own->done, last, __ATOMIC_RELEASE);
    }
    return NULL;
}

void plat_parallel(void (*work)(void *context, uint32_t worker, uint32_t workers), void *context)
{
    if (result.started < 2) {
        work(context, 0, 1);
        return;
    }
    pthread_mutex_lock(&mutex);
    section.work = work;
    section.context = context;
    uint32_t number = section.number + 1;
    __atomic_store_n(&section.number, number, __ATOMIC_RELEASE);
    pthread_cond_broadcast(&announced);
    pthread_mutex_unlock(&mutex);
    work(context, 0, result.started);
    for (uint32_t i = 1; i < result.started; i++) {
        for (int looks = 0; __atomic_load_n(&threads[i].done, __ATOMIC_ACQUIRE) != number; looks++) {
            if (looks < PATIENCE) {
                __builtin_ia32_pause();
            } else {
                sched_yield(); /* there may be more threads than processors */
            }
        }
    }
}

static bool start_thread(struct thread *thread)
{
    pthread_t id;
    return pthread_create(&id, NULL, serve_sections, thread) == 0 && pthread_detach(id) == 0;
}

static uint32_t count_processors(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n > 1 ? (uint32_t)n : 1;
}

/* More threads than processors are slow, but allowed: tests compare results for any number. */
struct kg_cpus plat_start_cpus(uint32_t most, struct kg_arena *arena)
{
    (void)arena; /* the C library allocates the stacks */
    if (result.found) {
        return result;
    }
    result = (struct kg_cpus){.found = count_processors(), .by = "", .note = ""};
    uint32_t wanted = most ? most : result.found, n = 1;
    for (; n < wanted && n < MOST_THREADS; n++) {
        threads[n].number = n;
        if (is_deaf || !start_thread(&threads[n])) {
            result.note = "a thread could not be started";
            break;
        }
        result.by = "threads";
    }
    result.started = n;
    return result;
}

bool kg_linux_fault_later(const char *kind)
{
    is_deaf = is_deaf || kg_streq(kind, "deaf");
    is_broken = is_broken || kg_streq(kind, "cpu");
    return is_deaf || is_broken;
}
