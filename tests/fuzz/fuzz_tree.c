/* Fuzzes the readers of the Linux boot protocol: a device tree, and an initial RAM disk. The first byte says which.
 * Each gets a copy of exactly its size. The archive that a tree names is not read: its address is the input's. */
#include <stdlib.h>
#include <string.h>

#include "platform/boot/tree/tree.h"
#include "platform/virt/facts/facts.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct kg_boot boot;

static void look_at_all(const struct kg_fdt *fdt)
{
    struct kg_fdt_node node = {0};
    uint64_t base, length;
    while (kg_fdt_next(fdt, &node)) {
        promise(node.depth >= 1 && node.depth <= KG_FDT_DEPTH);
        promise(strlen(kg_fdt_name(fdt, &node)) < fdt->size);
        for (uint32_t i = 0; i < 4 && kg_fdt_reg(fdt, &node, i, &base, &length); i++) {
        }
        kg_fdt_text(fdt, &node, "compatible");
        kg_fdt_number(fdt, &node, "interrupts", 1, 0);
    }
    for (uint32_t i = 0; kg_fdt_reservation(fdt, i, &base, &length); i++) {
        promise(i < fdt->size);
    }
    kg_fdt_find(fdt, &node, "/chosen/framebuffer@0");
}

static void fuzz_tree(const uint8_t *bytes, size_t size)
{
    struct kg_fdt fdt;
    struct kg_facts facts;
    if (kg_fdt_open(&fdt, bytes, size)) {
        promise(fdt.size == 0);
        promise(!kg_fdt_next(&fdt, &(struct kg_fdt_node){0}));
        return;
    }
    look_at_all(&fdt);
    kg_facts_from_tree(&facts, &fdt);
    promise(facts.n_virtio <= KG_VIRTIO_MOST && facts.console_interrupt < KG_GIC_INTERRUPTS);
    promise(facts.n_cpus <= KG_PROCESSORS_MOST && facts.gic.n <= KG_GIC_REGIONS);
}

static void fuzz_initrd(const uint8_t *bytes, size_t size)
{
    memset(&boot, 0, sizeof boot);
    kg_initrd_read(&boot, bytes, size);
    for (size_t i = 0; i < boot.n_modules; i++) {
        const struct kg_module *module = &boot.modules[i];
        promise(module->base >= (uintptr_t)bytes && module->base + module->size <= (uintptr_t)bytes + size);
        promise(strlen(module->name) + strlen(module->words) < KG_BOOT_NAMES_SIZE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    uint8_t *copy = malloc(size - 1 ? size - 1 : 1);
    promise(copy);
    memcpy(copy, data + 1, size - 1);
    (data[0] & 1 ? fuzz_initrd : fuzz_tree)(copy, size - 1);
    free(copy);
    return 0;
}
