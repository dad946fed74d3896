/* Finds and starts the other processors: see smp.h.
 *
 * Each gets an INIT; after 10 ms a startup IPI; after 0.2 ms without an answer a second one (SDM 3A, 9.4.4.1). All
 * start concurrently, each on its own stacks, which ap.S finds by its APIC id. */
#include "smp.h"

#include "apic.h"
#include "fpu.h"
#include "interrupts.h"
#include "io.h"
#include "kgpt/arena.h"
#include "kgpt/device.h" /* plat_delay_us */
#include "kgpt/mem.h"
#include "kgpt/platform.h"
#include "mtrr.h"
#include "paging.h"
#include "platform/common/fault.h"
#include "platform/common/memory.h"
#include "platform/common/processor.h"

#define INIT_US 10000
#define STARTUP_US 200
#define ANSWER_US 1000000 /* a virtual processor may wait for a real one */

/* Memory of a processor: guard page, stack, guard page, interrupt stack, struct kg_processor. */
#define STACK_PAGES 8
#define INTERRUPT_STACK_PAGES 4
#define PAGES (STACK_PAGES + INTERRUPT_STACK_PAGES + 3)

/* For ACPI tables, the APIC's page, the start page, and the ends of the range of stacks. */
#define TABLE_PAGES 16
#define LARGE_PAGE 0x200000u

/* The layout that ap.S reads. */
struct kg_ap_start {
    uint64_t stack_top;
    uint32_t id, unused;
};

extern char kg_ap_begin[], kg_ap_end[], kg_ap_gdt_base[], kg_ap_protected[], kg_ap_root[];
extern char kg_stack_guard[], kg_stack_top[], kg_ist_guard[], kg_ist_top[];

struct kg_ap_start *kg_ap_list;
uint32_t kg_ap_count;

static const struct kg_cpu *first_cpu;
static kg_tables_fn *open_tables;
static struct kg_processor *asked[KG_ACPI_MAX_CPUS];
static struct kg_worker *running[KG_ACPI_MAX_CPUS];
static struct kg_cpus result;

void kg_smp_init(const struct kg_cpu *first, kg_tables_fn *tables)
{
    first_cpu = first;
    open_tables = tables;
}

static uintptr_t memory_of(const struct kg_processor *processor)
{
    return (uintptr_t)processor - (PAGES - 1) * KG_PAGE;
}

static struct kg_stacks stacks_of(const struct kg_processor *processor)
{
    uintptr_t guard = memory_of(processor), top = guard + (1 + STACK_PAGES) * KG_PAGE;
    return (struct kg_stacks){guard, top, top, top + (1 + INTERRUPT_STACK_PAGES) * KG_PAGE};
}

/* NULL for the first processor. */
static const struct kg_processor *this_processor(void)
{
    uint32_t id = kg_ap_count ? kg_apic_id() : 0;
    for (uint32_t i = 0; i < kg_ap_count; i++) {
        if (kg_ap_list[i].id == id) {
            return asked[i];
        }
    }
    return NULL;
}

uint32_t kg_processor_number(void)
{
    const struct kg_processor *own = this_processor();
    return own ? own->worker.number : 0;
}

struct kg_stacks kg_processor_stacks(void)
{
    const struct kg_processor *own = this_processor();
    return own ? stacks_of(own)
               : (struct kg_stacks){(uintptr_t)kg_stack_guard, (uintptr_t)kg_stack_top, (uintptr_t)kg_ist_guard,
                                    (uintptr_t)kg_ist_top};
}

/* --- on the processor that starts --- */

/* A processor can share work only if it supports all features of the first one. */
static bool is_like_first(void)
{
    struct kg_cpu own;
    kg_cpu_detect(&own);
    return (own.features & first_cpu->features) == first_cpu->features && own.xcr0 == first_cpu->xcr0;
}

_Noreturn void kg_ap_main(uint32_t i);
_Noreturn void kg_ap_main(uint32_t i)
{
    struct kg_processor *own = asked[i];
    uint32_t state = KG_PROCESSOR_STARTING;
    kg_fpu_enable();
    kg_paging_join();
    kg_gdt_load(&own->segments, (void *)stacks_of(own).interrupt_top);
    kg_interrupts_load();
    bool good = kg_apic_join() && is_like_first() && kg_mtrr_join();
    uint32_t now = good ? KG_PROCESSOR_RUNNING : KG_PROCESSOR_UNLIKE;
    bool in_time = __atomic_compare_exchange_n(&own->state, &state, now, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    if (!in_time || !good) {
        kg_halt();
    }
    kg_parallel_serve(&own->worker);
}

/* --- on the first processor --- */

/* From here on, page tables and stacks come from the arena. */
static bool take_pages(struct kg_arena *arena, size_t n)
{
    void *pages = kg_arena_take(arena, (n + 1) * KG_PAGE);
    if (pages) {
        kg_memory_give(pages, (n + 1) * KG_PAGE);
    }
    return pages != NULL;
}

/* Allocates memory for at most `most` of the other processors in `cpus`. Returns the problem, or NULL. */
static const char *list_processors(const struct kg_acpi_cpus *cpus, uint32_t most, struct kg_arena *arena)
{
    uint32_t own = kg_apic_id(), n = cpus->n < KG_ACPI_MAX_CPUS ? cpus->n : KG_ACPI_MAX_CPUS;
    uint8_t *memory = kg_arena_take(arena, ((size_t)most * PAGES + 1) * KG_PAGE);
    kg_ap_list = kg_arena_take(arena, most * sizeof *kg_ap_list);
    if (!memory || !kg_ap_list || !take_pages(arena, TABLE_PAGES + most * PAGES * KG_PAGE / LARGE_PAGE)) {
        return "there is no memory for their stacks";
    }
    memory = (uint8_t *)(((uintptr_t)memory + KG_PAGE - 1) & ~(KG_PAGE - 1));
    bool listed = false;
    for (uint32_t i = 0; i < n; i++) {
        listed = listed || cpus->ids[i] == own;
        if (cpus->ids[i] == own || kg_ap_count == most) {
            continue;
        }
        struct kg_processor *processor = (struct kg_processor *)(memory + (PAGES - 1) * KG_PAGE);
        struct kg_stacks stacks = stacks_of(processor);
        if (!kg_paging_guard(stacks.guard) || !kg_paging_guard(stacks.interrupt_guard)) {
            return "there is no memory for page tables";
        }
        processor->worker.id = cpus->ids[i];
        kg_ap_list[kg_ap_count] = (struct kg_ap_start){stacks.top, cpus->ids[i], 0};
        asked[kg_ap_count++] = processor;
        processor->worker.number = kg_ap_count; /* provisional: until the processors that answer are numbered */
        memory += PAGES * KG_PAGE;
    }
    return listed ? NULL : "the MADT does not list the processor that runs";
}

/* Copies ap.S's code to the start page, and makes the page executable and read-only. */
static const char *place_start(uint64_t page)
{
    uint8_t *code = (uint8_t *)page;
    if (!page) {
        return "there is no free memory below 1 MiB";
    }
    memcpy(code, kg_ap_begin, (size_t)(kg_ap_end - kg_ap_begin));
    *(uint32_t *)(code + (kg_ap_gdt_base - kg_ap_begin)) += (uint32_t)page;
    *(uint32_t *)(code + (kg_ap_protected - kg_ap_begin)) += (uint32_t)page;
    *(uint32_t *)(code + (kg_ap_root - kg_ap_begin)) = (uint32_t)kg_read_cr3();
    return kg_paging_code(page) ? NULL : "there is no memory for page tables";
}

static bool has_answered(const struct kg_processor *processor)
{
    return __atomic_load_n(&processor->state, __ATOMIC_ACQUIRE) != KG_PROCESSOR_STARTING;
}

static bool all_have_answered(void)
{
    for (uint32_t i = 0; i < kg_ap_count; i++) {
        if (!has_answered(asked[i])) {
            return false;
        }
    }
    return true;
}

static void wake_all(uint64_t page)
{
    uint32_t n = kg_ap_count - kg_fault_deaf();
    for (uint32_t i = 0; i < n; i++) {
        kg_apic_send_init(asked[i]->worker.id);
    }
    plat_delay_us(INIT_US);
    for (uint32_t i = 0; i < n; i++) {
        kg_apic_send_startup(asked[i]->worker.id, page);
    }
    plat_delay_us(STARTUP_US);
    for (uint32_t i = 0; i < n; i++) {
        if (!has_answered(asked[i])) {
            kg_apic_send_startup(asked[i]->worker.id, page);
        }
    }
    for (uint32_t us = 0; us < ANSWER_US && !all_have_answered(); us += 10) {
        plat_delay_us(10);
    }
}

/* Processors that have answered are used; the others are given up. */
static void count_answers(void)
{
    for (uint32_t i = 0; i < kg_ap_count; i++) {
        uint32_t state = KG_PROCESSOR_STARTING;
        __atomic_compare_exchange_n(&asked[i]->state, &state, KG_PROCESSOR_SILENT, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE);
        if (state == KG_PROCESSOR_RUNNING) {
            running[result.started - 1] = &asked[i]->worker;
            asked[i]->worker.number = result.started++;
        } else {
            result.note = state == KG_PROCESSOR_UNLIKE ? "some are unlike the first" : "some did not answer";
        }
    }
    kg_parallel_init(running, result.started - 1);
}

static const char *start_processors(uint32_t most, struct kg_arena *arena)
{
    struct kg_acpi_cpus *cpus = kg_arena_take(arena, sizeof *cpus);
    if (!cpus || !take_pages(arena, TABLE_PAGES)) {
        return "there is no memory to look for others";
    }
    const char *problem;
    const struct kg_acpi *acpi = open_tables(&problem);
    if (acpi) {
        problem = kg_acpi_find_cpus(cpus, acpi);
    }
    if (problem) {
        return problem;
    }
    result.found = cpus->n;
    uint32_t wanted = most && most < cpus->n ? most : cpus->n, largest = 0;
    if (wanted < 2) {
        return "";
    }
    for (uint32_t i = 0; i < cpus->n && i < KG_ACPI_MAX_CPUS; i++) {
        largest = cpus->ids[i] > largest ? cpus->ids[i] : largest;
    }
    uint64_t page = kg_memory_start_page();
    problem = list_processors(cpus, wanted - 1, arena);
    problem = problem ? problem : kg_apic_init(largest);
    problem = problem ? problem : place_start(page);
    if (problem) {
        return problem;
    }
    result.by = kg_apic_mode();
    kg_mtrr_init();
    wake_all(page);
    count_answers();
    return result.note;
}

struct kg_cpus plat_start_cpus(uint32_t most, struct kg_arena *arena)
{
    if (!result.found) {
        kg_interrupts_off(); /* the APIC's mode may change; plat_read enables them again */
        result = (struct kg_cpus){.found = 1, .started = 1, .by = "", .note = ""};
        result.note = start_processors(most, arena);
    }
    return result;
}
