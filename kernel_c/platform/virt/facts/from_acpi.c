/* Facts from ACPI's tables. A clock is not among them: there is no table for it, but UEFI tells the time. */
#include "facts.h"

static void console_of_tables(struct kg_facts *facts, const struct kg_acpi *acpi)
{
    struct kg_acpi_range range;
    uint32_t interrupt;
    if (kg_acpi_find_pl011(&range, &interrupt, acpi)) {
        facts->console = (struct kg_range){range.base, range.size};
        facts->console_interrupt = interrupt < KG_GIC_INTERRUPTS ? interrupt : 0;
    }
}

static void gic_of_tables(struct kg_facts *facts, const struct kg_acpi *acpi)
{
    static struct kg_acpi_gic found;
    struct kg_gic_place *gic = &facts->gic;
    facts->problem = kg_acpi_find_gic(&found, acpi);
    if (facts->problem) {
        return;
    }
    for (; facts->n_cpus < found.n_cpus && facts->n_cpus < KG_PROCESSORS_MOST; facts->n_cpus++) {
        facts->affinities[facts->n_cpus] = found.affinities[facts->n_cpus];
    }
    uint32_t version = found.version >= 3 ? 3 : found.version; /* 4 has what 3 has */
    if (!found.distributor || version < 2 || !(version == 3 ? found.n_frames : found.interface)) {
        return;
    }
    *gic = (struct kg_gic_place){.version = version, .distributor = found.distributor};
    gic->distributor_size = KG_GIC_DISTRIBUTOR_SIZE;
    if (version == 2) {
        kg_gic_add(gic, found.interface, KG_GIC_INTERFACE_SIZE);
    }
    for (uint32_t i = 0; version == 3 && i < found.n_frames; i++) {
        kg_gic_add(gic, found.frames[i].base, found.frames[i].size);
    }
}

static void pci_of_tables(struct kg_facts *facts, const struct kg_acpi *acpi, const struct kg_acpi_fadt *fadt)
{
    struct kg_pci_host *host = &facts->pci;
    struct kg_acpi_ecam ecam;
    struct kg_acpi_window found;
    if (!kg_acpi_find_ecam(&ecam, acpi, 0) || ecam.last < ecam.first) {
        return;
    }
    uint64_t buses = ecam.last - ecam.first + 1u; /* the table tells where bus 0 would be */
    host->ecam = (struct kg_range){ecam.base + ((uint64_t)ecam.first << 20), buses << 20};
    host->first = ecam.first;
    host->last = ecam.last;
    host->coherent = kg_acpi_host_is_coherent(acpi, fadt);
    for (uint32_t i = 0; kg_acpi_find_window(&found, acpi, fadt, i); i++) {
        bool wide = found.bus + (found.size - 1) > UINT32_MAX;
        struct kg_pci_window *place = found.kind == KG_ACPI_WINDOW_PORTS ? &host->ports
                                      : wide                             ? &host->memory64
                                                                         : &host->memory32;
        if (place->range.size == 0) {
            *place = (struct kg_pci_window){{found.base, found.size}, found.bus};
        }
    }
}

static void devices_of_dsdt(struct kg_facts *facts, const struct kg_acpi *acpi, const struct kg_acpi_fadt *fadt)
{
    struct kg_acpi_range range;
    while (facts->n_virtio < KG_VIRTIO_MOST &&
           kg_acpi_find_device(&range, acpi, fadt, KG_ACPI_VIRTIO, facts->n_virtio)) {
        facts->virtio[facts->n_virtio++] = (struct kg_range){range.base, range.size};
    }
    if (kg_acpi_find_device(&range, acpi, fadt, KG_ACPI_FW_CFG, 0)) {
        facts->fw_cfg = (struct kg_range){range.base, range.size};
    }
    facts->button.events = kg_acpi_find_events(acpi, fadt);
}

void kg_facts_from_acpi(struct kg_facts *facts, uint64_t rsdp, const struct kg_acpi_memory *memory)
{
    struct kg_acpi acpi;
    struct kg_acpi_fadt fadt;
    static const struct kg_facts nothing;
    *facts = nothing;
    facts->problem = kg_acpi_open(&acpi, rsdp, memory);
    if (facts->problem) {
        return;
    }
    static const enum kg_psci_conduit conduits[] = {
        [KG_ACPI_NO_PSCI] = KG_PSCI_NONE, [KG_ACPI_PSCI_HVC] = KG_PSCI_HVC, [KG_ACPI_PSCI_SMC] = KG_PSCI_SMC};
    console_of_tables(facts, &acpi);
    gic_of_tables(facts, &acpi);
    facts->psci = conduits[kg_acpi_find_psci(&acpi)];
    uint32_t timer = kg_acpi_find_virtual_timer(&acpi);
    facts->timer_interrupt = timer < KG_GIC_INTERRUPTS ? timer : 0;
    if (kg_acpi_find_fadt(&fadt, &acpi)) {
        pci_of_tables(facts, &acpi, &fadt);
        devices_of_dsdt(facts, &acpi, &fadt);
    }
}
