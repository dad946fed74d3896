/* Fuzzes the ACPI parsers with arbitrary memory, which starts at BASE with the root pointer. If the first byte of
 * the input is odd, all checksums are made right, which a fuzzer cannot guess; that byte is not part of the memory.
 * Each read returns a copy of exactly its size. */
#include <stdlib.h>
#include <string.h>

#include "kgpt/acpi.h"
#include "platform/virt/facts/facts.h"
#include "promise.h"

#define BASE 0x7F000u /* as in tests/hosted/acpi.py */
#define RSDP_SIZE 20u
#define RSDP_SUM 8
#define RSDP_LONG_SUM 32
#define TABLE_SUM 9
#define MOST_PIECES 2000 /* limit of reads: long lists of tables take long */

struct memory {
    const uint8_t *bytes;
    size_t size;
    bool seal;
    void *pieces[MOST_PIECES];
    size_t n_pieces;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

UNWATCHED static void seal(uint8_t *bytes, size_t n, size_t sum)
{
    uint8_t total = 0;
    bytes[sum] = 0;
    for (size_t i = 0; i < n; i++) {
        total = (uint8_t)(total + bytes[i]);
    }
    bytes[sum] = (uint8_t)-total;
}

static const void *read_memory(void *context, uint64_t address, uint64_t size)
{
    struct memory *m = context;
    promise(size > 0 && size <= 1 << 22);
    if (address < BASE || size > m->size || address - BASE > m->size - size || m->n_pieces == MOST_PIECES) {
        return NULL;
    }
    uint8_t *copy = malloc(size);
    promise(copy);
    m->pieces[m->n_pieces++] = copy;
    memcpy(copy, m->bytes + (address - BASE), size);
    if (m->seal && address == BASE) {
        if (size > RSDP_LONG_SUM) {
            seal(copy, size, RSDP_LONG_SUM);
        } else if (size == RSDP_SIZE) {
            seal(copy, size, RSDP_SUM);
        }
    } else if (m->seal && size > TABLE_SUM) {
        seal(copy, size, TABLE_SUM);
    }
    return copy;
}

UNWATCHED static void check_register(const struct kg_acpi_register *r)
{
    promise(r->address == 0 || r->space <= KG_ACPI_PCI);
    promise(r->address == 0 || r->space != KG_ACPI_PORT || r->address <= 0xFFFF);
}

UNWATCHED static void check_fadt(const struct kg_acpi_fadt *fadt)
{
    for (int i = 0; i < 2; i++) {
        check_register(&fadt->pm1_status[i]);
        check_register(&fadt->pm1_control[i]);
        promise(!fadt->reduced || !fadt->pm1_control[i].address);
        promise(!fadt->pm1_control[i].address || fadt->pm1_control[i].space != KG_ACPI_PCI);
    }
    check_register(&fadt->timer);
    check_register(&fadt->sleep_control);
    check_register(&fadt->reset);
}

/* Each list must end. */
static void check_buses(const struct kg_acpi *acpi)
{
    struct kg_acpi_ecam ecam;
    uint32_t n = 0;
    while (kg_acpi_find_ecam(&ecam, acpi, n)) {
        n++;
    }
    promise(n <= 256);
    for (uint32_t amd = 0; amd < 2; amd++) {
        for (n = 0; kg_acpi_find_iommu(acpi, amd, n);) {
            n++;
        }
        promise(n <= MOST_PIECES);
    }
}

static void check_virtio(const struct kg_acpi *acpi, const struct kg_acpi_fadt *fadt)
{
    struct kg_acpi_range range;
    uint32_t n = 0;
    while (kg_acpi_find_device(&range, acpi, fadt, KG_ACPI_VIRTIO, n)) {
        promise(range.base && range.size && range.base <= UINT32_MAX);
        n++;
    }
    promise(n <= MOST_PIECES);
}

/* What a machine without ports takes from the tables. */
static void check_facts(const struct kg_acpi_memory *memory)
{
    static struct kg_facts facts;
    kg_facts_from_acpi(&facts, BASE, memory);
    promise(facts.n_virtio <= KG_VIRTIO_MOST && facts.n_cpus <= KG_PROCESSORS_MOST && facts.gic.n <= KG_GIC_REGIONS);
    promise(facts.gic.version == 0 || (facts.gic.distributor && facts.gic.n));
    promise(facts.console_interrupt < KG_GIC_INTERRUPTS && facts.timer_interrupt < KG_GIC_INTERRUPTS);
    promise(facts.pci.ecam.size == 0 || facts.pci.first <= facts.pci.last);
    const struct kg_pci_window *const windows[] = {&facts.pci.ports, &facts.pci.memory32, &facts.pci.memory64};
    for (int i = 0; i < 3; i++) {
        const struct kg_range *range = &windows[i]->range;
        promise(range->size == 0 || range->base + (range->size - 1) >= range->base);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kg_acpi_cpus cpus;
    struct kg_acpi acpi;
    struct kg_acpi_fadt fadt;
    uint8_t types[2];
    if (size == 0) {
        return 0;
    }
    static struct memory m;
    m.bytes = data + 1;
    m.size = size - 1;
    m.seal = data[0] % 2;
    const struct kg_acpi_memory memory = {read_memory, &m};
    if (!kg_acpi_open(&acpi, BASE, &memory)) {
        const char *problem = kg_acpi_find_cpus(&cpus, &acpi);
        promise(problem ? problem[0] != '\0' : cpus.n > 0);
        kg_acpi_find_hpet(&acpi);
        check_buses(&acpi);
        if (kg_acpi_find_fadt(&fadt, &acpi)) {
            check_fadt(&fadt);
            check_virtio(&acpi, &fadt);
            promise(!kg_acpi_find_s5(types, &acpi, &fadt) || (types[0] <= 7 && types[1] <= 7));
        }
    }
    check_facts(&memory);
    while (m.n_pieces) {
        free(m.pieces[--m.n_pieces]);
    }
    return 0;
}
