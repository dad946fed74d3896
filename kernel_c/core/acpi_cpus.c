/* Processors from the MADT: see kgpt/acpi.h. (ACPI 6.5, 5.2.12.) */
#include "acpi_tables.h"
#include "kgpt/mem.h"

#define MADT_ENTRIES 44
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
static void read_entry(struct kg_acpi_cpus *cpus, const struct kg_acpi_table *madt, uint32_t at)
{
    uint64_t type = kg_acpi_field(madt, at, 1), n = kg_acpi_field(madt, at + 1, 1);
    if (type == ENTRY_LOCAL_APIC && n >= 8) {
        add_cpu(cpus, kg_acpi_field(madt, at + 3, 1), kg_acpi_field(madt, at + 4, 4), 0xFF);
    } else if (type == ENTRY_LOCAL_X2APIC && n >= 16) {
        add_cpu(cpus, kg_acpi_field(madt, at + 4, 4), kg_acpi_field(madt, at + 8, 4), 0xFFFFFFFF);
    }
}

const char *kg_acpi_find_cpus(struct kg_acpi_cpus *cpus, const struct kg_acpi *acpi)
{
    struct kg_acpi_table madt;
    memset(cpus, 0, sizeof *cpus);
    if (!kg_acpi_find(acpi, "APIC", 0, &madt)) {
        return "the ACPI tables have no usable MADT";
    }
    if (madt.size < MADT_ENTRIES) {
        return "the MADT is cut short";
    }
    for (uint32_t at = MADT_ENTRIES; at < madt.size;) {
        uint32_t n = (uint32_t)kg_acpi_field(&madt, at + 1, 1);
        if (n < 2 || n > madt.size - at) {
            return "an entry of the MADT is cut short";
        }
        read_entry(cpus, &madt, at);
        at += n;
    }
    return cpus->n ? NULL : "the MADT lists no processor";
}
