#include "tree.h"

#include "kgpt/str.h"

#define REGION_RESERVED 2u

static void add_memory(struct kg_boot *boot, const struct kg_fdt *fdt)
{
    struct kg_fdt_node node = {0};
    uint64_t base, size;
    while (kg_fdt_next(fdt, &node)) {
        if (!kg_fdt_has_text(fdt, &node, "device_type", "memory") || !kg_fdt_is_enabled(fdt, &node)) {
            continue;
        }
        for (uint32_t i = 0; kg_fdt_reg(fdt, &node, i, &base, &size); i++) {
            kg_boot_add_region(boot, base, size, KG_REGION_RAM);
        }
    }
}

/* What the firmware keeps for itself: entries of the blob's head, and children of /reserved-memory. */
static void add_reserved(struct kg_boot *boot, const struct kg_fdt *fdt)
{
    uint64_t base, size;
    for (uint32_t i = 0; kg_fdt_reservation(fdt, i, &base, &size); i++) {
        kg_boot_add_region(boot, base, size, REGION_RESERVED);
    }
    struct kg_fdt_node node;
    if (!kg_fdt_find(fdt, &node, "/reserved-memory")) {
        return;
    }
    for (uint32_t depth = node.depth; kg_fdt_next(fdt, &node) && node.depth > depth;) {
        for (uint32_t i = 0; kg_fdt_reg(fdt, &node, i, &base, &size); i++) {
            kg_boot_add_region(boot, base, size, REGION_RESERVED);
        }
    }
}

/* An address in /chosen has one or two cells. */
static uint64_t chosen_address(const struct kg_fdt *fdt, const struct kg_fdt_node *chosen, const char *name)
{
    struct kg_fdt_value value;
    kg_fdt_property(fdt, chosen, name, &value);
    return kg_fdt_cells(&value, 0, value.size / 4);
}

static void read_chosen(struct kg_boot *boot, const struct kg_fdt *fdt)
{
    struct kg_fdt_node chosen;
    if (!kg_fdt_find(fdt, &chosen, "/chosen")) {
        return;
    }
    kg_boot_set_cmdline(boot, kg_fdt_text(fdt, &chosen, "bootargs"));
    uint64_t from = chosen_address(fdt, &chosen, "linux,initrd-start");
    uint64_t end = chosen_address(fdt, &chosen, "linux,initrd-end");
    if (from && end > from) {
        /* All of it: the words of its files are copied, but the archive lies around them. */
        kg_boot_add_region(boot, from, end - from, REGION_RESERVED);
        if (!kg_initrd_read(boot, (const uint8_t *)from, end - from)) {
            boot->excess = "the initial RAM disk is a damaged cpio archive";
        }
    }
}

void kg_tree_read(struct kg_boot *boot, struct kg_fdt *fdt, uintptr_t blob)
{
    boot->loader = "linux";
    if (!blob || kg_fdt_open(fdt, (const void *)blob, KG_FDT_MOST)) {
        return;
    }
    add_memory(boot, fdt);
    add_reserved(boot, fdt);
    read_chosen(boot, fdt);
}
