/* Finds and starts the other processors: see smp.h.
 *
 * Each gets an INIT; after 10 ms a startup IPI; after 0.2 ms without an answer a second one (SDM 3A, 9.4.4.1). All
 * start concurrently, each on its own stacks, which ap.S finds by its APIC id. */
#include "smp.h"

#include "apic.h"
#include "fpu.h"
#include "gdt.h"
#include "interrupts.h"
#include "io.h"
#include "kgpt/arena.h"
#include "kgpt/device.h" /* plat_delay_us */
#include "kgpt/mem.h"
#include "mtrr.h"
#include "paging.h"
#include "platform/common/fault.h"
#include "platform/common/memory.h"

#define INIT_US 10000
#define STARTUP_US 200
#define TABLE_PAGES 17 /* for ACPI tables, the APIC's page, and the start page */

/* The layout that ap.S reads. */
struct kg_ap_start {
    uint64_t stack_top;
    uint32_t id, unused;
};

extern char kg_ap_begin[], kg_ap_end[], kg_ap_gdt_base[], kg_ap_protected[], kg_ap_root[];

struct kg_ap_start *kg_ap_list;
uint32_t kg_ap_count;

static kg_tables_fn *open_tables;
static struct kg_cpus result;

void kg_smp_init(kg_tables_fn *tables)
{
    open_tables = tables;
}

/* NULL for the first processor. */
static const struct kg_processor *this_processor(void)
{
    uint32_t id = kg_ap_count ? kg_apic_id() : 0;
    for (uint32_t i = 0; i < kg_ap_count; i++) {
        if (kg_ap_list[i].id == id) {
            return kg_processors_at(i);
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
    return kg_processors_stacks(this_processor());
}

/* On the processor that starts, the i-th. */
_Noreturn void kg_ap_main(uint32_t i);
_Noreturn void kg_ap_main(uint32_t i)
{
    struct kg_processor *own = kg_processors_at(i);
    kg_fpu_enable();
    kg_paging_join();
    kg_gdt_load((struct kg_segments *)(own + 1), (void *)kg_processors_stacks(own).interrupt_top);
    kg_interrupts_load();
    kg_processor_work(own, kg_apic_join() && kg_mtrr_join());
}

/* --- on the first processor --- */

/* Allocates memory for at most `most` of the other processors in `cpus`. Returns the problem, or NULL. */
static const char *list_processors(const struct kg_acpi_cpus *cpus, uint32_t most, struct kg_arena *arena)
{
    uint32_t own = kg_apic_id(), n = cpus->n < KG_ACPI_MAX_CPUS ? cpus->n : KG_ACPI_MAX_CPUS;
    const char *problem = kg_processors_take(most, arena);
    kg_ap_list = kg_arena_take(arena, most * sizeof *kg_ap_list);
    if (problem || !kg_ap_list) {
        return "there is no memory for their stacks";
    }
    bool listed = false;
    for (uint32_t i = 0; i < n; i++) {
        listed = listed || cpus->ids[i] == own;
        if (cpus->ids[i] == own || kg_ap_count == most) {
            continue;
        }
        struct kg_processor *processor = kg_processors_add(cpus->ids[i]);
        if (!processor) {
            return "there is no memory for page tables";
        }
        kg_ap_list[kg_ap_count++] = (struct kg_ap_start){kg_processors_stacks(processor).top, cpus->ids[i], 0};
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

static void wake_all(uint64_t page)
{
    uint32_t n = kg_ap_count - kg_fault_deaf();
    for (uint32_t i = 0; i < n; i++) {
        kg_apic_send_init(kg_ap_list[i].id);
    }
    plat_delay_us(INIT_US);
    for (uint32_t i = 0; i < n; i++) {
        kg_apic_send_startup(kg_ap_list[i].id, page);
    }
    plat_delay_us(STARTUP_US);
    for (uint32_t i = 0; i < n; i++) {
        if (!kg_processors_have_answered(i)) {
            kg_apic_send_startup(kg_ap_list[i].id, page);
        }
    }
}

static const char *start_processors(uint32_t most, struct kg_arena *arena)
{
    struct kg_acpi_cpus *cpus = kg_arena_take(arena, sizeof *cpus);
    void *pages = kg_arena_take(arena, TABLE_PAGES * KG_PAGE);
    if (!cpus || !pages) {
        return "there is no memory to look for others";
    }
    kg_memory_give(pages, TABLE_PAGES * KG_PAGE);
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
    kg_processors_count(&result);
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
