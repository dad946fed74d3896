/* What the firmware says about the machine. There are two readers: of a device tree, and of ACPI's tables. */
#ifndef KGPT_VIRT_FACTS_H
#define KGPT_VIRT_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/acpi.h"
#include "platform/aarch64/gic.h"
#include "platform/aarch64/psci.h"
#include "platform/boot/tree/fdt.h"
#include "platform/common/processors.h"

struct kg_range {
    uint64_t base, size; /* size 0: absent */
};

/* A range of addresses on the PCI bus, and where the processor sees it. */
struct kg_pci_window {
    struct kg_range range; /* as the processor sees it */
    uint64_t bus;          /* the bus address of its first byte */
};

struct kg_pci_host {
    struct kg_range ecam;
    uint8_t first, last; /* buses */
    struct kg_pci_window ports, memory32, memory64;
    bool coherent; /* devices see the processors' caches */
};

/* A power button: a pin of a PL061, or a register of events. */
struct kg_button {
    struct kg_range pins;
    uint8_t pin;
    uint64_t events; /* the register's address; 0: none */
};

#define KG_VIRTIO_MOST 64

struct kg_facts {
    const char *problem;     /* what is wrong with the description of the machine; NULL: nothing */
    struct kg_range console; /* a PL011 */
    uint32_t console_interrupt;
    struct kg_range clock; /* a PL031 */
    uint64_t time;         /* of the firmware, when it started the kernel: seconds since 1970, UTC; 0: unknown */
    enum kg_psci_conduit psci;
    struct kg_gic_place gic;
    uint32_t timer_interrupt; /* of the virtual timer */
    struct kg_pci_host pci;
    struct kg_range fw_cfg; /* QEMU's firmware configuration */
    struct kg_button button;
    uint32_t n_virtio;
    struct kg_range virtio[KG_VIRTIO_MOST]; /* devices that are on no bus */
    uint32_t n_cpus;
    uint64_t affinities[KG_PROCESSORS_MOST]; /* MPIDR_EL1 of each processor */
};

void kg_facts_from_tree(struct kg_facts *facts, const struct kg_fdt *fdt);
void kg_facts_from_acpi(struct kg_facts *facts, uint64_t rsdp, const struct kg_acpi_memory *memory);

#endif
