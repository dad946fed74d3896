/* The boot of a machine that a device tree or ACPI's tables describe: from the loader's two registers to kg_main. */
#include "button.h"
#include "channel.h"
#include "clock.h"
#include "devices.h"
#include "facts/facts.h"
#include "idle.h"
#include "pl011.h"
#include "platform/aarch64/paging.h"
#include "platform/aarch64/requirements.h"
#include "platform/aarch64/smp.h"
#include "platform/boot/tree/tree.h"
#include "platform/boot/uefi.h"
#include "platform/common/describe.h"
#include "platform/common/memory.h"
#include "platform/common/processor.h"
#include "platform/common/screen.h"
#include "ramfb.h"

_Noreturn void kg_start(uintptr_t info, uint64_t magic);

/* The header of boot/aarch64/entry.S. `kgpt pack` changes the size. */
extern const struct {
    uint32_t code[2];
    uint64_t offset, size;
} kg_image_header;

static struct kg_boot boot;
static struct kg_fdt fdt;
static struct kg_facts facts;
static struct kg_cpu cpu;

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
    struct kg_range events = {facts.button.events, facts.button.events ? sizeof(uint32_t) : 0};
    return map_registers(&facts.console) && map_registers(&facts.pci.ecam) && map_registers(&facts.pci.ports.range) &&
           map_registers(&facts.clock) && map_registers(&facts.fw_cfg) && map_registers(&facts.button.pins) &&
           map_registers(&events);
}

bool kg_keyboard_present(void)
{
    return false;
}

int kg_keyboard_read(void)
{
    return KG_READ_END;
}

#define GIB_SHIFT 30

/* The entry code has mapped the GiB that the loader has marked as memory. */
static const void *read_marked_memory(void *context, uint64_t address, uint64_t size)
{
    const struct kg_uefi_handover *handover = context;
    for (uint64_t gib = address >> GIB_SHIFT; gib <= (address + size - 1) >> GIB_SHIFT; gib++) {
        if (gib / 64 >= KG_UEFI_MARKS || !(handover->memory[gib / 64] >> gib % 64 & 1)) {
            return NULL;
        }
    }
    return (const void *)address;
}

/* From the UEFI loader: its memory map counts, also where the firmware has a device tree. */
static void read_handover(struct kg_uefi_handover *handover)
{
    kg_uefi_read(&boot, (uintptr_t)handover);
    if (handover->tree && !kg_fdt_open(&fdt, (const void *)handover->tree, KG_FDT_MOST)) {
        kg_facts_from_tree(&facts, &fdt);
    } else {
        kg_facts_from_acpi(&facts, boot.rsdp, &(struct kg_acpi_memory){read_marked_memory, handover});
    }
    facts.time = handover->time;
}

static void read_loader(uintptr_t info, uint64_t magic)
{
    if (magic == KG_UEFI_MAGIC) {
        read_handover((struct kg_uefi_handover *)info);
    } else {
        kg_tree_read(&boot, &fdt, info);
        kg_facts_from_tree(&facts, &fdt);
    }
    boot.image_end = (uintptr_t)&kg_image_header + kg_image_header.size;
}

/* Without a framebuffer of the firmware. */
static void find_screen(void)
{
    if (boot.framebuffer.type != KG_FRAMEBUFFER_RGB && kg_ramfb_start(&facts.fw_cfg, &boot.framebuffer)) {
        kg_screen_init(&boot.framebuffer, &no_text);
    }
    kg_screen_start();
}

static void prepare_memory(void)
{
    if (boot.n_regions == 0) {
        plat_panic("the loader passed no memory map");
    }
    if (!kg_memory_init(&boot)) {
        plat_panic("the loader reported no usable memory");
    }
    if (!kg_paging_init(&boot) || !map_devices()) {
        plat_panic("not enough memory for the page tables");
    }
}

_Noreturn void kg_start(uintptr_t info, uint64_t magic)
{
    read_loader(info, magic);
    kg_psci_init(facts.psci);
    kg_pl011_init(&facts.console);
    kg_channel_init(&facts.pci);
    kg_processor_require();
    kg_screen_init(&boot.framebuffer, &no_text);
    kg_idle_init(&facts);
    kg_virt_devices_init(&boot, &facts);
    prepare_memory();
    kg_gic_init(&facts.gic);
    kg_clock_init(&facts);
    kg_button_init(&facts.button);
    find_screen();
    kg_cpu_detect(&cpu);
    kg_processors_init(&cpu);
    kg_smp_init(facts.affinities, facts.n_cpus);
    plat_exit(kg_main(kg_describe_platform("aarch64", &boot, &cpu)));
}
