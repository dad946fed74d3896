/* Processors from the MADT: see kgpt/acpi.h. (ACPI 6.5, 5.2.12.) */
#include "acpi_tables.h"
#include "kgpt/mem.h"

#define FLAG_ENABLED 1u

enum entry_type {
    ENTRY_LOCAL_APIC = 0,
    ENTRY_LOCAL_X2APIC = 9,
};

static void add_cpu(struct kg_acpi_cpus *cpus, uint64_t id, uint64_t flags, uint64_t nobody)
{
    if (!(flags & FLAG_ENABLED) || id == nobody) {
        return;
    }
    for (uint32_t i = 0; i < cpus->n && i < KG_ACPI_MAX_CPUS; i++) {
        if (cpus->ids[i] == id) {
            return; /* firmware may list a processor as APIC and as x2APIC */
        }
    }
    if (cpus->n < KG_ACPI_MAX_CPUS) {
        cpus->ids[cpus->n] = (uint32_t)id;
    }
    cpus->n++;
}

/* Entries that are too short for their type are skipped. */
static void read_entry(void *to, const struct kg_acpi_table *madt, struct kg_madt_entry entry)
{
    if (entry.type == ENTRY_LOCAL_APIC && entry.size >= 8) {
        add_cpu(to, kg_acpi_field(madt, entry.at + 3, 1), kg_acpi_field(madt, entry.at + 4, 4), 0xFF);
    } else if (entry.type == ENTRY_LOCAL_X2APIC && entry.size >= 16) {
        add_cpu(to, kg_acpi_field(madt, entry.at + 4, 4), kg_acpi_field(madt, entry.at + 8, 4), 0xFFFFFFFF);
    }
}

const char *kg_acpi_find_cpus(struct kg_acpi_cpus *cpus, const struct kg_acpi *acpi)
{
    memset(cpus, 0, sizeof *cpus);
    const char *problem = kg_acpi_visit_madt(acpi, cpus, read_entry);
    return problem ? problem : cpus->n ? NULL : "the MADT lists no processor";
}
