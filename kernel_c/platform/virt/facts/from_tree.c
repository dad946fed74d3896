#include "facts.h"

#include <stddef.h>

#include "kgpt/str.h"

/* Cells of `interrupts` of a GIC: kind, number, flags. */
#define INTERRUPT_CELLS 3u
#define KIND_SHARED 0u
#define SHARED_FIRST 32u
#define PRIVATE_FIRST 16u
#define TIMER_VIRTUAL 2u /* index of the virtual timer's interrupt in `interrupts` of an arm,armv8-timer */

#define KEY_POWER 116u /* linux/input-event-codes.h */

/* `phys.hi` of a PCI address: the space. */
#define SPACE_SHIFT 24
#define SPACE_PORTS 1u
#define SPACE_MEMORY32 2u
#define SPACE_MEMORY64 3u
#define PCI_ADDRESS_CELLS 3u

/* The number of the i-th interrupt of a node at the GIC; 0: it has none. */
static uint32_t interrupt_of(const struct kg_fdt *fdt, const struct kg_fdt_node *node, uint32_t i)
{
    uint32_t kind = kg_fdt_number(fdt, node, "interrupts", INTERRUPT_CELLS * i, UINT32_MAX);
    uint32_t number = kg_fdt_number(fdt, node, "interrupts", INTERRUPT_CELLS * i + 1, UINT32_MAX);
    if (kind == UINT32_MAX || number >= KG_GIC_INTERRUPTS - SHARED_FIRST) {
        return 0;
    }
    return number + (kind == KIND_SHARED ? SHARED_FIRST : PRIVATE_FIRST);
}

static bool find_range(const struct kg_fdt *fdt, const struct kg_fdt_node *node, uint32_t i, struct kg_range *range)
{
    return kg_fdt_reg(fdt, node, i, &range->base, &range->size);
}

/* The console that the firmware names, if it is a PL011, otherwise the first PL011. */
static void find_console(struct kg_facts *facts, const struct kg_fdt *fdt)
{
    struct kg_fdt_node node;
    const char *path = kg_fdt_find(fdt, &node, "/chosen") ? kg_fdt_text(fdt, &node, "stdout-path") : "";
    bool found = *path == '/' && kg_fdt_find(fdt, &node, path) && node.depth > 1 &&
                 kg_fdt_has_text(fdt, &node, "compatible", "arm,pl011");
    if (!found) {
        node = (struct kg_fdt_node){0};
        found = kg_fdt_next_compatible(fdt, &node, "arm,pl011");
    }
    if (found && find_range(fdt, &node, 0, &facts->console)) {
        facts->console_interrupt = interrupt_of(fdt, &node, 0);
    }
}

static void find_psci(struct kg_facts *facts, const struct kg_fdt *fdt)
{
    static const char *const kinds[] = {"arm,psci-1.0", "arm,psci-0.2"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct kg_fdt_node node = {0};
        if (kg_fdt_next_compatible(fdt, &node, kinds[i])) {
            const char *method = kg_fdt_text(fdt, &node, "method");
            facts->psci = kg_streq(method, "hvc") ? KG_PSCI_HVC : kg_streq(method, "smc") ? KG_PSCI_SMC : KG_PSCI_NONE;
            return;
        }
    }
}

static void find_gic(struct kg_facts *facts, const struct kg_fdt *fdt)
{
    static const struct {
        const char *kind;
        uint32_t version;
    } kinds[] = {{"arm,gic-v3", 3}, {"arm,cortex-a15-gic", 2}, {"arm,gic-400", 2}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct kg_fdt_node node = {0};
        struct kg_range first, second;
        if (kg_fdt_next_compatible(fdt, &node, kinds[i].kind) && find_range(fdt, &node, 0, &first) &&
            find_range(fdt, &node, 1, &second)) {
            facts->gic = (struct kg_gic_place){
                .version = kinds[i].version, .distributor = first.base, .distributor_size = first.size};
            uint32_t n = kinds[i].version == 3 ? kg_fdt_number(fdt, &node, "#redistributor-regions", 0, 1) : 1;
            for (uint32_t at = 1; at <= n && find_range(fdt, &node, at, &second); at++) {
                kg_gic_add(&facts->gic, second.base, second.size);
            }
            return;
        }
    }
}

static void add_window(struct kg_pci_host *host, const struct kg_fdt_value *ranges, uint32_t at, uint32_t up)
{
    struct kg_fdt_value hi = {ranges->bytes + at, 4};
    uint32_t space = kg_fdt_cells(&hi, 0, 1) >> SPACE_SHIFT & 3;
    struct kg_pci_window window = {{kg_fdt_cells(ranges, at + 4 * PCI_ADDRESS_CELLS, up),
                                    kg_fdt_cells(ranges, at + 4 * (PCI_ADDRESS_CELLS + up), 2)},
                                   kg_fdt_cells(ranges, at + 4, 2)};
    struct kg_pci_window *place = space == SPACE_PORTS      ? &host->ports
                                  : space == SPACE_MEMORY32 ? &host->memory32
                                  : space == SPACE_MEMORY64 ? &host->memory64
                                                            : NULL;
    if (place && place->range.size == 0) {
        *place = window;
    }
}

static void find_pci(struct kg_facts *facts, const struct kg_fdt *fdt)
{
    struct kg_pci_host *host = &facts->pci;
    struct kg_fdt_node node = {0};
    struct kg_fdt_value ranges;
    if (!kg_fdt_next_compatible(fdt, &node, "pci-host-ecam-generic") || !find_range(fdt, &node, 0, &host->ecam)) {
        return;
    }
    host->coherent = kg_fdt_property(fdt, &node, "dma-coherent", &ranges);
    uint32_t buses = (uint32_t)(host->ecam.size >> 20);
    host->first = (uint8_t)kg_fdt_number(fdt, &node, "bus-range", 0, 0);
    uint32_t last = kg_fdt_number(fdt, &node, "bus-range", 1, 255);
    host->last = (uint8_t)(buses && last >= host->first + buses ? host->first + buses - 1 : last);
    struct kg_fdt_node above = node;
    above.depth--;
    uint32_t up = kg_fdt_address_cells(fdt, &above), step = 4 * (PCI_ADDRESS_CELLS + up + 2);
    if (buses == 0 || !kg_fdt_property(fdt, &node, "ranges", &ranges)) {
        return;
    }
    for (uint32_t at = 0; ranges.size - at >= step; at += step) {
        add_window(host, &ranges, at, up);
    }
}

/* The node of a handle, by which others name it. */
static bool find_handle(const struct kg_fdt *fdt, struct kg_fdt_node *node, uint32_t handle)
{
    *node = (struct kg_fdt_node){0};
    while (kg_fdt_next(fdt, node)) {
        if (kg_fdt_number(fdt, node, "phandle", 0, 0) == handle && handle) {
            return true;
        }
    }
    return false;
}

/* A key behind a pin: handle of the controller, number of the pin, flags. */
static void find_button(struct kg_facts *facts, const struct kg_fdt *fdt)
{
    struct kg_fdt_node keys = {0}, controller;
    if (!kg_fdt_next_compatible(fdt, &keys, "gpio-keys")) {
        return;
    }
    for (uint32_t depth = keys.depth; kg_fdt_next(fdt, &keys) && keys.depth > depth;) {
        uint32_t pin = kg_fdt_number(fdt, &keys, "gpios", 1, UINT32_MAX);
        if (kg_fdt_number(fdt, &keys, "linux,code", 0, 0) == KEY_POWER && pin <= UINT8_MAX &&
            find_handle(fdt, &controller, kg_fdt_number(fdt, &keys, "gpios", 0, 0)) &&
            kg_fdt_has_text(fdt, &controller, "compatible", "arm,pl061") &&
            find_range(fdt, &controller, 0, &facts->button.pins)) {
            facts->button.pin = (uint8_t)pin;
            return;
        }
    }
}

static void find_processors(struct kg_facts *facts, const struct kg_fdt *fdt)
{
    struct kg_fdt_node node = {0};
    while (kg_fdt_next(fdt, &node) && facts->n_cpus < KG_PROCESSORS_MOST) {
        if (node.depth > 1 && kg_fdt_has_text(fdt, &node, "device_type", "cpu") &&
            kg_fdt_has_text(fdt, &node, "enable-method", "psci")) {
            struct kg_fdt_node parent = node;
            struct kg_fdt_value reg;
            parent.depth--;
            kg_fdt_property(fdt, &node, "reg", &reg);
            facts->affinities[facts->n_cpus++] = kg_fdt_cells(&reg, 0, kg_fdt_address_cells(fdt, &parent));
        }
    }
}

void kg_facts_from_tree(struct kg_facts *facts, const struct kg_fdt *fdt)
{
    static const struct kg_facts nothing;
    struct kg_fdt_node node = {0};
    *facts = nothing;
    find_console(facts, fdt);
    find_psci(facts, fdt);
    find_gic(facts, fdt);
    find_pci(facts, fdt);
    find_button(facts, fdt);
    find_processors(facts, fdt);
    if (kg_fdt_next_compatible(fdt, &node, "qemu,fw-cfg-mmio")) {
        find_range(fdt, &node, 0, &facts->fw_cfg);
    }
    node = (struct kg_fdt_node){0};
    if (kg_fdt_next_compatible(fdt, &node, "arm,pl031")) {
        find_range(fdt, &node, 0, &facts->clock);
    }
    for (node = (struct kg_fdt_node){0};
         facts->n_virtio < KG_VIRTIO_MOST && kg_fdt_next_compatible(fdt, &node, "virtio,mmio");) {
        facts->n_virtio += find_range(fdt, &node, 0, &facts->virtio[facts->n_virtio]);
    }
    node = (struct kg_fdt_node){0};
    if (kg_fdt_next_compatible(fdt, &node, "arm,armv8-timer")) {
        facts->timer_interrupt = interrupt_of(fdt, &node, TIMER_VIRTUAL);
    }
}
