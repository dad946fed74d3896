/* The processors of a machine, as the firmware's ACPI tables list them. Parsing only: whoever owns the memory hands it in
 * piece by piece, so that made-up tables can be read as well as real ones. (ACPI 6.5, 5.2.5 to 5.2.12.) */
#ifndef KGPT_ACPI_H
#define KGPT_ACPI_H

#include <stdbool.h>
#include <stdint.h>

#define KG_ACPI_MAX_CPUS 256u

struct kg_acpi_memory {
    /* `size` readable bytes at a physical address, valid for good; NULL where there are none. */
    const void *(*read)(void *context, uint64_t address, uint64_t size);
    void *context;
};

struct kg_acpi_cpus {
    uint32_t n;                     /* processors that are enabled, each once */
    uint32_t ids[KG_ACPI_MAX_CPUS]; /* their APIC ids, the first KG_ACPI_MAX_CPUS of them */
};

/* From the root pointer at physical address `rsdp` to the list. NULL, or what is wrong with the tables. Every check sum must be
 * right; a processor that could only be enabled later (hot-plugged) is not there. */
const char *kg_acpi_find_cpus(struct kg_acpi_cpus *cpus, uint64_t rsdp, const struct kg_acpi_memory *memory);

#endif
