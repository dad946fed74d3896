/* Device trees, initial RAM disks, and the facts of a machine from a tree or from ACPI's tables, for ctypes. */
#include "../../kernel_c/platform/boot/boot_info.c"
#include "../../kernel_c/platform/boot/tree/fdt.c"
#include "../../kernel_c/platform/boot/tree/initrd.c"
#include "../../kernel_c/platform/boot/tree/tree.c"
#include "platform/virt/facts/facts.h"

static struct kg_boot boot;
static struct kg_fdt fdt;
static struct kg_facts facts;

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
    kg_facts_from_tree(&facts, &fdt);
}

struct tables {
    const uint8_t *bytes;
    uint64_t base, size;
};

static const void *read_tables(void *context, uint64_t address, uint64_t size)
{
    const struct tables *m = context;
    bool there = address >= m->base && size <= m->size && address - m->base <= m->size - size;
    return there ? m->bytes + (address - m->base) : NULL;
}

/* Reads the tables in memory from `base` on. Returns the problem, or NULL. */
const char *driver_acpi(const uint8_t *bytes, uint64_t size, uint64_t base, uint64_t rsdp);
const char *driver_acpi(const uint8_t *bytes, uint64_t size, uint64_t base, uint64_t rsdp)
{
    struct tables tables = {bytes, base, size};
    kg_facts_from_acpi(&facts, rsdp, &(struct kg_acpi_memory){read_tables, &tables});
    return facts.problem;
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
        {"gic", {facts.gic.version, facts.gic.distributor, facts.gic.regions[0].base, facts.gic.regions[0].size}},
        {"timer", {facts.timer_interrupt}},
        {"ecam", {facts.pci.ecam.base, facts.pci.ecam.size, facts.pci.first, facts.pci.last}},
        {"ports", {facts.pci.ports.range.base, facts.pci.ports.range.size, facts.pci.ports.bus}},
        {"memory32", {facts.pci.memory32.range.base, facts.pci.memory32.range.size, facts.pci.memory32.bus}},
        {"memory64", {facts.pci.memory64.range.base, facts.pci.memory64.range.size, facts.pci.memory64.bus}},
        {"virtio", {facts.n_virtio, facts.virtio[0].base, facts.virtio[0].size}},
        {"coherent", {facts.pci.coherent}},
        {"regions", {facts.gic.n, facts.gic.regions[1].base, facts.gic.regions[1].size}},
        {"button", {facts.button.pins.base, facts.button.pins.size, facts.button.pin, facts.button.events}},
        {"fw_cfg", {facts.fw_cfg.base, facts.fw_cfg.size}},
        {"cpus", {facts.n_cpus, facts.affinities[0], facts.affinities[1], facts.affinities[2]}},
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
