/* Sections of work that all processors execute together, and the wait between sections.
 *
 * A new section number announces a section. A waiting processor first spins, because the next section of a training
 * is microseconds away, then sleeps until an interrupt. It sets its flag `asleep` before it checks the number a last
 * time; the first processor checks the flags after it has announced. So one of the two sees the other's write, and
 * an interrupt that arrives before the sleep ends it at once. */
#include "parallel.h"

#include "fault.h"
#include "kgpt/platform.h"
#include "panic.h"
#include "processor.h"

/* Before a processor sleeps: longer than it takes to choose a token, because waking a processor takes microseconds, in
 * a virtual machine tens of them. */
#define PATIENCE_US 333u

static struct {
    void (*work)(void *context, uint32_t worker, uint32_t workers);
    void *context;
    uint32_t number; /* of the last section */
} section __attribute__((aligned(64)));

static struct kg_worker *const *others;
static uint32_t n_others;

void kg_parallel_init(struct kg_worker *const *workers, uint32_t n)
{
    others = workers;
    n_others = n;
}

static void wait_for_section(struct kg_worker *own, uint32_t last)
{
    uint64_t start = plat_ticks(), patience = kg_processor_ticks(PATIENCE_US);
    while (__atomic_load_n(&section.number, __ATOMIC_ACQUIRE) == last) {
        if (plat_ticks() - start < patience) {
            kg_processor_pause();
            continue;
        }
        __atomic_store_n(&own->asleep, 1, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&section.number, __ATOMIC_SEQ_CST) == last) {
            kg_processor_sleep();
        }
        __atomic_store_n(&own->asleep, 0, __ATOMIC_RELAXED);
    }
}

_Noreturn void kg_parallel_serve(struct kg_worker *own)
{
    for (uint32_t last = 0;;) {
        wait_for_section(own, last);
        last++; /* the next section starts after all have completed this one */
        kg_fault_on_processor();
        section.work(section.context, own->number, n_others + 1);
        __atomic_store_n(&own->done, last, __ATOMIC_RELEASE);
    }
}

void plat_parallel(void (*work)(void *context, uint32_t worker, uint32_t workers), void *context)
{
    if (n_others == 0) { /* no section: processors that start later count from 0 */
        work(context, 0, 1);
        return;
    }
    section.work = work;
    section.context = context;
    uint32_t number = section.number + 1;
    __atomic_store_n(&section.number, number, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < n_others; i++) {
        if (__atomic_load_n(&others[i]->asleep, __ATOMIC_SEQ_CST)) {
            kg_processor_wake(others[i]->id);
        }
    }
    work(context, 0, n_others + 1);
    for (uint32_t i = 0; i < n_others; i++) {
        while (__atomic_load_n(&others[i]->done, __ATOMIC_ACQUIRE) != number) {
            kg_panic_check();
            kg_processor_pause();
        }
    }
}
