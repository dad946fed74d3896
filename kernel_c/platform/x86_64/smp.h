/* The other processors: found by ACPI, started by INIT and startup IPIs, given work by platform/common/parallel.c. */
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
    KG_PROCESSOR_UNLIKE, /* lacks what the first one has */
    KG_PROCESSOR_SILENT, /* did not answer in time; should it wake up later, it halts */
};

/* At the end of its own memory (smp.c), so that no two processors write to one cache line. */
struct kg_processor {
    struct kg_worker worker; /* its id is that of its APIC */
    uint32_t state;          /* enum kg_processor_state */
    struct kg_segments segments;
};

/* Opens the firmware's tables. NULL: `*problem` says why there are none. */
typedef const struct kg_acpi *kg_tables_fn(const char **problem);

/* At boot: what the first processor can do, and how to get at the tables once they are needed. */
void kg_smp_init(const struct kg_cpu *first, kg_tables_fn *tables);

#endif
