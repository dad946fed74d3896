#include "processors.h"

#include "kgpt/arena.h"
#include "kgpt/device.h" /* plat_delay_us */
#include "memory.h"
#include "paging.h"

#define ANSWER_US 1000000 /* a virtual processor may wait for a real one */

/* Memory of a processor: guard page, stack, guard page, interrupt stack, struct kg_processor. */
#define STACK_PAGES 8
#define INTERRUPT_STACK_PAGES 4
#define PAGES (STACK_PAGES + INTERRUPT_STACK_PAGES + 3)

/* For the ends of the range of stacks, and an architecture's own pages. */
#define TABLE_PAGES 16
#define LARGE_PAGE 0x200000u

enum state {
    STARTING,
    RUNNING,
    UNLIKE, /* lacks a feature of the first one */
    SILENT, /* did not answer in time; if it starts later, it halts */
};

extern char kg_stack_guard[], kg_stack_top[], kg_ist_guard[], kg_ist_top[];

static const struct kg_cpu *first_cpu;
static uint8_t *memory; /* of the next processor */
static struct kg_processor *added[KG_PROCESSORS_MOST];
static uint32_t n_added;
static struct kg_worker *running[KG_PROCESSORS_MOST];

void kg_processors_init(const struct kg_cpu *first)
{
    first_cpu = first;
}

struct kg_stacks kg_processors_stacks(const struct kg_processor *processor)
{
    if (!processor) {
        return (struct kg_stacks){(uintptr_t)kg_stack_guard, (uintptr_t)kg_stack_top, (uintptr_t)kg_ist_guard,
                                  (uintptr_t)kg_ist_top};
    }
    uintptr_t guard = (uintptr_t)processor - (PAGES - 1) * KG_PAGE, top = guard + (1 + STACK_PAGES) * KG_PAGE;
    return (struct kg_stacks){guard, top, top, top + (1 + INTERRUPT_STACK_PAGES) * KG_PAGE};
}

/* From here on, page tables and stacks come from the arena. */
const char *kg_processors_take(uint32_t most, struct kg_arena *arena)
{
    size_t tables = (TABLE_PAGES + most * PAGES * KG_PAGE / LARGE_PAGE + 1) * KG_PAGE;
    uint8_t *own = kg_arena_take(arena, ((size_t)most * PAGES + 1) * KG_PAGE);
    void *pages = kg_arena_take(arena, tables);
    if (!own || !pages) {
        return "there is no memory for their stacks";
    }
    kg_memory_give(pages, tables);
    memory = (uint8_t *)(((uintptr_t)own + KG_PAGE - 1) & ~(KG_PAGE - 1));
    return NULL;
}

struct kg_processor *kg_processors_add(uint32_t id)
{
    struct kg_processor *processor = (struct kg_processor *)(memory + (PAGES - 1) * KG_PAGE);
    struct kg_stacks stacks = kg_processors_stacks(processor);
    if (!kg_paging_guard(stacks.guard) || !kg_paging_guard(stacks.interrupt_guard)) {
        return NULL;
    }
    memory += PAGES * KG_PAGE;
    added[n_added++] = processor;
    /* The number is provisional: until the processors that answer are numbered. */
    *processor = (struct kg_processor){.worker = {.id = id, .number = n_added}};
    return processor;
}

uint32_t kg_processors_added(void)
{
    return n_added;
}

struct kg_processor *kg_processors_at(uint32_t i)
{
    return added[i];
}

bool kg_processors_have_answered(uint32_t i)
{
    uint32_t end = i < n_added ? i + 1 : n_added;
    for (i = i < n_added ? i : 0; i < end; i++) {
        if (__atomic_load_n(&added[i]->state, __ATOMIC_ACQUIRE) == STARTING) {
            return false;
        }
    }
    return true;
}

void kg_processors_count(struct kg_cpus *result)
{
    for (uint32_t us = 0; us < ANSWER_US && !kg_processors_have_answered(n_added); us += 10) {
        plat_delay_us(10);
    }
    for (uint32_t i = 0; i < n_added; i++) {
        uint32_t state = STARTING;
        __atomic_compare_exchange_n(&added[i]->state, &state, SILENT, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
        if (state == RUNNING) {
            running[result->started - 1] = &added[i]->worker;
            added[i]->worker.number = result->started++;
        } else {
            result->note = state == UNLIKE ? "some are unlike the first" : "some did not answer";
        }
    }
    kg_parallel_init(running, result->started - 1);
}

/* A processor can share work only if it supports all features of the first one. That it is an emulated one was
 * measured, by a clock that another load of the host disturbs: it says nothing of its instructions. */
static bool is_like_first(void)
{
    struct kg_cpu own;
    kg_cpu_detect(&own);
    uint32_t needed = first_cpu->features & ~(uint32_t)KG_CPU_EMULATED;
    return (own.features & needed) == needed && own.xcr0 == first_cpu->xcr0;
}

_Noreturn void kg_processor_work(struct kg_processor *own, bool good)
{
    uint32_t state = STARTING;
    good = good && is_like_first();
    bool in_time = __atomic_compare_exchange_n(&own->state, &state, good ? RUNNING : UNLIKE, false, __ATOMIC_ACQ_REL,
                                               __ATOMIC_ACQUIRE);
    if (!in_time || !good) {
        kg_processor_halt();
    }
    kg_parallel_serve(&own->worker);
}
