/* Threads in place of processors. A section of work starts and ends by writes to cache lines that the other side
 * watches: no lock and no system call.
 *
 * A waiting thread spins for some 50 microseconds, because the next section of a forward pass is that near. Then it
 * yields its processor between looks, because another thread may need it. After a millisecond without work it sleeps on
 * the number of the section. It sets its flag `asleep` before it looks at the number a last time, and plat_parallel
 * looks at the flags after it has written the number: so one of the two sees the other's write. */
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kgpt/str.h"
#include "linux.h"
#include "processor.h"

#define MOST_THREADS 256
#define STACK_SIZE ((size_t)8 << 20) /* of a thread; C libraries differ */
#define SPINS 2000                   /* about 50 microseconds */
#define PATIENCE_NS 1000000u         /* before a thread sleeps */

struct thread {
    uint32_t number;
    uint32_t done;              /* the last section of work it completed */
    uint32_t asleep;            /* sleeping or about to sleep: it must be woken */
} __attribute__((aligned(64))); /* separate cache lines */

static struct thread threads[MOST_THREADS];
static struct kg_cpus result;
static bool is_deaf, is_broken; /* deliberate faults */

static struct {
    void (*work)(void *context, uint32_t worker, uint32_t workers);
    void *context;
    uint32_t number; /* of the last section */
} section __attribute__((aligned(64)));

static bool has_section(uint32_t last)
{
    return __atomic_load_n(&section.number, __ATOMIC_ACQUIRE) != last;
}

/* Spins, then yields the processor to whoever needs it, for PATIENCE_NS altogether. False if no section came. */
static bool spin_for_section(uint32_t last)
{
    for (int i = 0; i < SPINS; i++) {
        if (has_section(last)) {
            return true;
        }
        kg_linux_pause();
    }
    uint64_t start = plat_ticks();
    while (plat_ticks() - start < PATIENCE_NS) {
        if (has_section(last)) {
            return true;
        }
        sched_yield();
    }
    return false;
}

static void wait_for_thread_section(struct thread *own, uint32_t last)
{
    if (spin_for_section(last)) {
        return;
    }
    __atomic_store_n(&own->asleep, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&section.number, __ATOMIC_SEQ_CST) == last) {
        syscall(SYS_futex, &section.number, FUTEX_WAIT_PRIVATE, last, NULL, NULL, 0);
    }
    __atomic_store_n(&own->asleep, 0, __ATOMIC_RELAXED);
}

static void *serve_sections(void *argument)
{
    struct thread *own = argument;
    for (uint32_t last = 0;;) {
        wait_for_thread_section(own, last);
        last++; /* the next section starts after all have completed this one */
        if (is_broken) {
            kg_linux_cause("ud");
        }
        section.work(section.context, own->number, result.started);
        __atomic_store_n(&own->done, last, __ATOMIC_RELEASE);
    }
    return NULL;
}

static void wake_sleeping_threads(void)
{
    bool asleep = false;
    for (uint32_t i = 1; i < result.started; i++) {
        asleep = asleep || __atomic_load_n(&threads[i].asleep, __ATOMIC_SEQ_CST);
    }
    if (asleep) {
        syscall(SYS_futex, &section.number, FUTEX_WAKE_PRIVATE, MOST_THREADS, NULL, NULL, 0);
    }
}

void plat_parallel(void (*work)(void *context, uint32_t worker, uint32_t workers), void *context)
{
    if (result.started < 2) {
        work(context, 0, 1);
        return;
    }
    section.work = work;
    section.context = context;
    uint32_t number = section.number + 1;
    __atomic_store_n(&section.number, number, __ATOMIC_SEQ_CST);
    wake_sleeping_threads();
    work(context, 0, result.started);
    for (uint32_t i = 1; i < result.started; i++) {
        for (int looks = 0; __atomic_load_n(&threads[i].done, __ATOMIC_ACQUIRE) != number; looks++) {
            if (looks < SPINS) {
                kg_linux_pause();
            } else {
                sched_yield(); /* there may be more threads than processors */
            }
        }
    }
}

static bool start_thread(struct thread *thread)
{
    pthread_t id;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    bool is_started = pthread_attr_setstacksize(&attributes, STACK_SIZE) == 0 &&
                      pthread_create(&id, &attributes, serve_sections, thread) == 0 && pthread_detach(id) == 0;
    pthread_attr_destroy(&attributes);
    return is_started;
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
