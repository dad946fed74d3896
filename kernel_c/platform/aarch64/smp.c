/* Starts the other processors: see smp.h. */
#include "smp.h"

#include "gic.h"
#include "platform/common/fault.h"
#include "psci.h"
#include "registers.h"

#define AFFINITY_MASK 0xFF00FFFFFFull

/* Behind struct kg_processor, whose id is the index in the list of affinities: what boot/aarch64/entry.S reads with its
 * caches off. */
struct kg_ap_start {
    uint64_t tables, stack_top, interrupt_stack_top, number; /* number: index of the processor, plus 1 */
};

extern char kg_entry_other[];
_Noreturn void kg_ap_main(void);

static const uint64_t *list;
static uint32_t n_list;
static struct kg_cpus result;

void kg_smp_init(const uint64_t *affinities, uint32_t n)
{
    list = affinities;
    n_list = n;
}

uint64_t kg_smp_affinity(uint32_t index)
{
    return list[index];
}

/* NULL for the first processor. TPIDR_EL1 is for the kernel, and nothing else writes it. */
static struct kg_processor *own_processor(void)
{
    uint64_t number = KG_READ_REGISTER(tpidr_el1);
    return number && number <= kg_processors_added() ? kg_processors_at((uint32_t)number - 1) : NULL;
}

uint32_t kg_processor_number(void)
{
    const struct kg_processor *own = own_processor();
    return own ? own->worker.number : 0;
}

struct kg_stacks kg_processor_stacks(void)
{
    return kg_processors_stacks(own_processor());
}

/* On the processor that starts. */
_Noreturn void kg_ap_main(void)
{
    kg_gic_join();
    kg_processor_work(own_processor(), true);
}

/* Returns the problem, or NULL. */
static const char *start_processor(uint32_t index)
{
    struct kg_processor *processor = kg_processors_add(index);
    if (!processor) {
        return "there is no memory for page tables";
    }
    struct kg_ap_start *start = (struct kg_ap_start *)(processor + 1);
    struct kg_stacks stacks = kg_processors_stacks(processor);
    *start = (struct kg_ap_start){KG_READ_REGISTER(ttbr0_el1), stacks.top, stacks.interrupt_top, kg_processors_added()};
    for (uintptr_t at = (uintptr_t)start; at < (uintptr_t)(start + 1); at += sizeof(uint64_t)) {
        __asm__ volatile("dc civac, %0" : : "r"(at) : "memory");
    }
    kg_dsb();
    return kg_psci_start(list[index], (uintptr_t)kg_entry_other, (uintptr_t)start);
}

static const char *start_others(uint32_t most, struct kg_arena *arena)
{
    uint64_t own = KG_READ_REGISTER(mpidr_el1) & AFFINITY_MASK;
    const char *problem = kg_processors_take(most, arena);
    uint32_t wanted = most - kg_fault_deaf();
    for (uint32_t i = 0; i < n_list && kg_processors_added() < wanted && !problem; i++) {
        problem = list[i] == own ? NULL : start_processor(i);
    }
    return problem ? problem : wanted < most ? "some did not answer" : NULL;
}

struct kg_cpus plat_start_cpus(uint32_t most, struct kg_arena *arena)
{
    if (result.found) {
        return result;
    }
    result = (struct kg_cpus){.found = n_list ? n_list : 1, .started = 1, .by = "", .note = ""};
    uint32_t wanted = most && most < result.found ? most : result.found;
    if (wanted > 1) {
        kg_gic_join();
        const char *problem = start_others(wanted - 1, arena);
        result.by = "psci";
        kg_processors_count(&result);
        result.note = problem ? problem : result.note;
    }
    return result;
}
