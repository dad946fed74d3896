/* All results of kgpt/acpi.h for simulated physical memory, for ctypes; tests/hosted/acpi.py has the same structure. */
#include <stddef.h>

#include "kgpt/acpi.h"
#include "kgpt/mem.h"

struct memory {
    const uint8_t *bytes;
    uint64_t base, size;
};

struct driver_register {
    uint64_t address;
    uint64_t space;
};

struct driver_found {
    const char *problem;      /* problem with the root pointer; NULL: none */
    const char *cpus_problem; /* problem with the list of processors */
    uint64_t n_cpus, ids[4];
    uint64_t has_fadt, reduced, timer_32_bits, reset_value, enable_value, smi_port, boot_arch;
    struct driver_register pm1_status[2], pm1_control[2], timer, sleep_control, reset;
    uint64_t has_s5, types[2];
    uint64_t hpet;
    uint64_t n_ecams, ecams[4][4];      /* base, segment, first bus, last bus */
    uint64_t n_iommus[2], iommus[2][4]; /* Intel's, AMD's */
    uint64_t n_virtio, virtio[4][2];    /* base, size */
};

static const void *read_memory(void *context, uint64_t address, uint64_t size)
{
    const struct memory *m = context;
    bool there = address >= m->base && size <= m->size && address - m->base <= m->size - size;
    return there ? m->bytes + (address - m->base) : NULL;
}

static struct driver_register copy(struct kg_acpi_register from)
{
    return (struct driver_register){from.address, from.address ? from.space : 0};
}

static void read_fadt(struct driver_found *found, const struct kg_acpi *acpi)
{
    struct kg_acpi_fadt fadt;
    uint8_t types[2] = {0, 0};
    found->has_fadt = kg_acpi_find_fadt(&fadt, acpi);
    if (!found->has_fadt) {
        return;
    }
    found->reduced = fadt.reduced;
    found->timer_32_bits = fadt.timer_32_bits;
    found->reset_value = fadt.reset_value;
    found->enable_value = fadt.enable_value;
    found->smi_port = fadt.smi_port;
    found->boot_arch = fadt.boot_arch;
    for (int i = 0; i < 2; i++) {
        found->pm1_status[i] = copy(fadt.pm1_status[i]);
        found->pm1_control[i] = copy(fadt.pm1_control[i]);
    }
    found->timer = copy(fadt.timer);
    found->sleep_control = copy(fadt.sleep_control);
    found->reset = copy(fadt.reset);
    found->has_s5 = kg_acpi_find_s5(types, acpi, &fadt);
    found->types[0] = found->has_s5 ? types[0] : 0;
    found->types[1] = found->has_s5 ? types[1] : 0;
    struct kg_acpi_range range;
    while (kg_acpi_find_device(&range, acpi, &fadt, KG_ACPI_VIRTIO, (uint32_t)found->n_virtio)) {
        uint64_t *out = found->virtio[found->n_virtio++ % 4];
        out[0] = range.base;
        out[1] = range.size;
    }
}

static void read_buses(struct driver_found *found, const struct kg_acpi *acpi)
{
    struct kg_acpi_ecam ecam;
    while (kg_acpi_find_ecam(&ecam, acpi, (uint32_t)found->n_ecams)) {
        uint64_t *out = found->ecams[found->n_ecams++ % 4];
        out[0] = ecam.base;
        out[1] = ecam.segment;
        out[2] = ecam.first;
        out[3] = ecam.last;
    }
    for (uint32_t amd = 0; amd < 2; amd++) {
        uint64_t address;
        while ((address = kg_acpi_find_iommu(acpi, amd, (uint32_t)found->n_iommus[amd])) != 0) {
            found->iommus[amd][found->n_iommus[amd]++ % 4] = address;
        }
    }
}

void driver_acpi(const uint8_t *bytes, uint64_t size, uint64_t base, uint64_t rsdp, struct driver_found *found);
void driver_acpi(const uint8_t *bytes, uint64_t size, uint64_t base, uint64_t rsdp, struct driver_found *found)
{
    struct memory m = {bytes, base, size};
    const struct kg_acpi_memory memory = {read_memory, &m};
    static struct kg_acpi_cpus cpus;
    struct kg_acpi acpi;
    memset(found, 0, sizeof *found);
    found->problem = kg_acpi_open(&acpi, rsdp, &memory);
    if (found->problem) {
        return;
    }
    found->cpus_problem = kg_acpi_find_cpus(&cpus, &acpi);
    found->n_cpus = found->cpus_problem ? 0 : cpus.n;
    for (uint32_t i = 0; i < 4 && i < found->n_cpus; i++) {
        found->ids[i] = cpus.ids[i];
    }
    read_fadt(found, &acpi);
    found->hpet = kg_acpi_find_hpet(&acpi);
    read_buses(found, &acpi);
}
