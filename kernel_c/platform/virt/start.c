/* The boot of a machine that a device tree describes: from its address to kg_main. */
#include "channel.h"
#include "clock.h"
#include "devices.h"
#include "idle.h"
#include "pl011.h"
#include "platform/aarch64/paging.h"
#include "platform/aarch64/smp.h"
#include "platform/boot/tree/tree.h"
#include "platform/boot/uefi.h"
#include "platform/common/describe.h"
#include "platform/common/memory.h"
#include "platform/common/processor.h"
#include "platform/common/screen.h"
#include "tree_facts.h"

_Noreturn void kg_start(uintptr_t info, uint64_t magic);

/* The header of boot/aarch64/entry.S. `kgpt pack` changes the size. */
extern const struct {
    uint32_t code[2];
    uint64_t offset, size;
} kg_image_header;

static struct kg_boot boot;
static struct kg_fdt fdt;
static struct kg_tree_facts facts;
static struct kg_cpu cpu;
static uint64_t affinities[KG_PROCESSORS_MOST];

static bool no_text_mode(void)
{
    return false;
}

static const struct kg_text_mode no_text = {.name = "", .init = no_text_mode};

static bool map_registers(const struct kg_range *range)
{
    return range->size == 0 || kg_map_device(range->base, range->size, false);
}

static bool map_devices(void)
{
    return map_registers(&facts.console) && map_registers(&facts.pci.ecam) && map_registers(&facts.pci.ports.range) &&
           map_registers(&facts.clock);
}

static uint32_t find_processors(void)
{
    struct kg_fdt_node node = {0};
    uint32_t n = 0;
    while (kg_fdt_next(&fdt, &node) && n < KG_PROCESSORS_MOST) {
        if (kg_fdt_has_text(&fdt, &node, "device_type", "cpu") &&
            kg_fdt_has_text(&fdt, &node, "enable-method", "psci")) {
            struct kg_fdt_node parent = node;
            struct kg_fdt_value reg;
            parent.depth--;
            kg_fdt_property(&fdt, &node, "reg", &reg);
            affinities[n++] = kg_fdt_cells(&reg, 0, kg_fdt_address_cells(&fdt, &parent));
        }
    }
    return n;
}

bool kg_keyboard_present(void)
{
    return false;
}

int kg_keyboard_read(void)
{
    return KG_READ_END;
}

/* What brought the kernel: the UEFI loader, whose memory map counts, or a loader of Linux kernels with a tree. */
static void read_loader(uintptr_t info, uint64_t magic)
{
    if (magic == KG_UEFI_MAGIC) {
        const void *tree = (const void *)((const struct kg_uefi_handover *)info)->tree;
        kg_uefi_read(&boot, info);
        if (tree) {
            kg_fdt_open(&fdt, tree, KG_FDT_MOST);
        }
    } else {
        kg_tree_read(&boot, &fdt, info);
    }
}

_Noreturn void kg_start(uintptr_t info, uint64_t magic)
{
    read_loader(info, magic);
    boot.image_end = (uintptr_t)&kg_image_header + kg_image_header.size;
    kg_tree_facts(&facts, &fdt);
    uint32_t n_cpus = find_processors();
    kg_psci_init(facts.psci);
    kg_pl011_init(&facts.console);
    kg_channel_init(&facts.pci);
    kg_screen_init(&boot.framebuffer, &no_text);
    kg_idle_init(&facts);
    kg_virt_devices_init(&boot, &facts);
    if (boot.n_regions == 0) {
        plat_panic("the loader passed no memory map");
    }
    if (!kg_memory_init(&boot)) {
        plat_panic("the loader reported no usable memory");
    }
    if (!kg_paging_init(&boot) || !map_devices()) {
        plat_panic("not enough memory for the page tables");
    }
    kg_gic_init(&facts.gic);
    kg_pl031_init(&facts.clock);
    kg_screen_start();
    kg_cpu_detect(&cpu);
    kg_processors_init(&cpu);
    kg_smp_init(affinities, n_cpus);
    plat_exit(kg_main(kg_describe_platform("aarch64", &boot, &cpu)));
}
