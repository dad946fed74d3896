/* Device trees and initial RAM disks, for ctypes. */
#include "../../kernel_c/platform/boot/boot_info.c"
#include "../../kernel_c/platform/boot/tree/fdt.c"
#include "../../kernel_c/platform/boot/tree/initrd.c"
#include "../../kernel_c/platform/boot/tree/tree.c"
#include "../../kernel_c/platform/virt/tree_facts.c"

static struct kg_boot boot;
static struct kg_fdt fdt;
static struct kg_tree_facts facts;

/* What is wrong with the tree; NULL: nothing. */
const char *driver_open(const uint8_t *blob, size_t most);
const char *driver_open(const uint8_t *blob, size_t most)
{
    return kg_fdt_open(&fdt, blob, most);
}

void driver_read(const uint8_t *blob);
void driver_read(const uint8_t *blob)
{
    static const struct kg_boot nothing;
    boot = nothing;
    kg_tree_read(&boot, &fdt, (uintptr_t)blob);
    kg_tree_facts(&facts, &fdt);
}

bool driver_initrd(const uint8_t *bytes, uint64_t size);
bool driver_initrd(const uint8_t *bytes, uint64_t size)
{
    static const struct kg_boot nothing;
    boot = nothing;
    return kg_initrd_read(&boot, bytes, size);
}

const struct kg_boot *driver_boot(void);
const struct kg_boot *driver_boot(void)
{
    return &boot;
}

const char *driver_cmdline(void);
const char *driver_cmdline(void)
{
    return boot.cmdline;
}

const char *driver_excess(void);
const char *driver_excess(void)
{
    return boot.excess;
}

/* The i-th region: base, size, type. */
bool driver_region(size_t i, uint64_t found[3]);
bool driver_region(size_t i, uint64_t found[3])
{
    const struct kg_region *region = &boot.regions[i];
    found[0] = region->base, found[1] = region->size, found[2] = region->type;
    return i < boot.n_regions;
}

bool driver_module(size_t i, const char *words[2], uint64_t place[2]);
bool driver_module(size_t i, const char *words[2], uint64_t place[2])
{
    const struct kg_module *module = &boot.modules[i];
    words[0] = module->name, words[1] = module->words;
    place[0] = module->base, place[1] = module->size;
    return i < boot.n_modules;
}

/* Base and size of a part of the machine, and its other numbers. */
bool driver_fact(const char *name, uint64_t found[4]);
bool driver_fact(const char *name, uint64_t found[4])
{
    const struct {
        const char *name;
        uint64_t values[4];
    } known[] = {
        {"console", {facts.console.base, facts.console.size, facts.console_interrupt}},
        {"clock", {facts.clock.base, facts.clock.size}},
        {"psci", {facts.psci}},
        {"gic", {facts.gic.version, facts.gic.distributor, facts.gic.second, facts.gic.second_size}},
        {"timer", {facts.timer_interrupt}},
        {"ecam", {facts.pci.ecam.base, facts.pci.ecam.size, facts.pci.first, facts.pci.last}},
        {"ports", {facts.pci.ports.range.base, facts.pci.ports.range.size, facts.pci.ports.bus}},
        {"memory32", {facts.pci.memory32.range.base, facts.pci.memory32.range.size, facts.pci.memory32.bus}},
        {"memory64", {facts.pci.memory64.range.base, facts.pci.memory64.range.size, facts.pci.memory64.bus}},
        {"virtio", {facts.n_virtio, facts.virtio[0].base, facts.virtio[0].size}},
        {"coherent", {facts.pci.coherent}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (kg_streq(known[i].name, name)) {
            for (size_t n = 0; n < 4; n++) {
                found[n] = known[i].values[n];
            }
            return true;
        }
    }
    return false;
}

/* The i-th range of `reg` of the node at a path, as the processor sees it. */
bool driver_reg(const char *path, uint32_t i, uint64_t found[2]);
bool driver_reg(const char *path, uint32_t i, uint64_t found[2])
{
    struct kg_fdt_node node;
    return kg_fdt_find(&fdt, &node, path) && kg_fdt_reg(&fdt, &node, i, &found[0], &found[1]);
}
