/* The other processors: ACPI lists them, INIT and startup IPIs start them, platform/common/parallel.c gives them
 * work. */
#ifndef KGPT_X86_64_SMP_H
#define KGPT_X86_64_SMP_H

#include <stdbool.h>
#include <stdint.h>

#include "gdt.h"
#include "kgpt/acpi.h"
#include "kgpt/cpu.h"
#include "platform/common/parallel.h"

enum kg_processor_state {
    KG_PROCESSOR_STARTING,
    KG_PROCESSOR_RUNNING,
    KG_PROCESSOR_UNLIKE, /* lacks a feature of the first one */
    KG_PROCESSOR_SILENT, /* did not answer in time; if it starts later, it halts */
};

/* At the end of the processor's own memory (smp.c), so that processors do not share a cache line. */
struct kg_processor {
    struct kg_worker worker; /* its id is the APIC id */
    uint32_t state;          /* enum kg_processor_state */
    struct kg_segments segments;
};

/* Opens the ACPI tables. NULL: `*problem` says why there are none. */
typedef const struct kg_acpi *kg_tables_fn(const char **problem);

/* At boot: stores the first processor's features and the address of the tables. */
void kg_smp_init(const struct kg_cpu *first, kg_tables_fn *tables);

#endif
