/* The other processors: found by ACPI, started by INIT and startup IPIs, given work by parallel.c. */
#ifndef KGPT_X86_64_SMP_H
#define KGPT_X86_64_SMP_H

#include <stdbool.h>
#include <stdint.h>

#include "gdt.h"
#include "kgpt/cpu.h"

enum kg_processor_state {
    KG_PROCESSOR_STARTING,
    KG_PROCESSOR_RUNNING,
    KG_PROCESSOR_UNLIKE, /* lacks what the first one has */
    KG_PROCESSOR_SILENT, /* did not answer in time; should it wake up later, it halts */
};

/* At the end of its own memory (smp.c), so that no two processors write to one cache line. */
struct kg_processor {
    uint32_t id;     /* of its APIC */
    uint32_t number; /* as a worker of plat_parallel; the first processor is 0, and has no such struct */
    uint32_t state;  /* enum kg_processor_state */
    uint32_t asleep; /* or about to be: it has to be woken */
    uint32_t done;   /* the last section that it has worked in */
    struct kg_segments segments;
};

/* Two stacks, each above a page that is not mapped. */
struct kg_stacks {
    uintptr_t guard, top, interrupt_guard, interrupt_top;
};

/* At boot: what the first processor can do. */
void kg_smp_init(const struct kg_cpu *first);

/* Of the processor that asks, found out without trust in its registers: this is for panics. */
uint32_t kg_smp_number(void);
struct kg_stacks kg_smp_stacks(void);

/* parallel.c. All `n` processors are running. */
void kg_parallel_init(struct kg_processor *const *processors, uint32_t n);
_Noreturn void kg_parallel_serve(struct kg_processor *own);

#endif
