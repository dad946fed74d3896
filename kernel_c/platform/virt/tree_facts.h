/* What the device tree says about the machine. */
#ifndef KGPT_VIRT_TREE_FACTS_H
#define KGPT_VIRT_TREE_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "platform/aarch64/gic.h"
#include "platform/aarch64/psci.h"
#include "platform/boot/tree/fdt.h"

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

#define KG_VIRTIO_MOST 64

struct kg_tree_facts {
    struct kg_range console; /* a PL011 */
    uint32_t console_interrupt;
    struct kg_range clock; /* a PL031 */
    enum kg_psci_conduit psci;
    struct kg_gic_place gic;
    uint32_t timer_interrupt; /* of the virtual timer */
    struct kg_pci_host pci;
    uint32_t n_virtio;
    struct kg_range virtio[KG_VIRTIO_MOST]; /* devices that are on no bus */
};

void kg_tree_facts(struct kg_tree_facts *facts, const struct kg_fdt *fdt);

#endif
