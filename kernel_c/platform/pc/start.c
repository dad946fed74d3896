/* The boot of a PC: from the loader's two registers to kg_main. */
#include "debugcon.h"
#include "firmware.h"
#include "i8042.h"
#include "kgpt/platform.h"
#include "platform/boot/boot.h"
#include "platform/common/memory.h"
#include "platform/common/screen.h"
#include "platform/x86_64/fpu.h"
#include "platform/x86_64/gdt.h"
#include "platform/x86_64/interrupts.h"
#include "platform/x86_64/paging.h"
#include "platform/x86_64/smp.h"
#include "serial.h"
#include "vga.h"

_Noreturn void kg_start(uint32_t magic, uint32_t info);

extern uint64_t kg_ticks_entry;

extern char kg_ist_top[];

static struct kg_segments segments;
static struct kg_cpu cpu;
static struct kg_platform_info platform;
static struct kg_file files[KG_FILES_MAX];

static void describe_platform(const struct kg_boot *boot)
{
    platform.platform = "x86_64";
    platform.loader = boot->loader;
    platform.excess = boot->excess;
    platform.cmdline = boot->cmdline;
    platform.cpu = &cpu;
    platform.memory_total = kg_memory_total();
    platform.arena = kg_memory_arena(&platform.arena_size);
    platform.files = files;
    platform.n_files = boot->n_modules;
    for (size_t i = 0; i < boot->n_modules; i++) {
        const struct kg_module *module = &boot->modules[i];
        files[i] =
            (struct kg_file){module->name, module->words, (const void *)module->base, module->size, module->checked};
    }
    platform.ticks_entry = kg_ticks_entry;
    platform.has_serial = kg_serial_present();
    platform.screen_mode = kg_screen_mode();
    platform.has_screen = platform.screen_mode[0] != '\0';
    platform.misses_screen = boot->for_people && !platform.has_screen;
    platform.has_keyboard = kg_i8042_present();
    platform.has_input = platform.has_serial || platform.has_keyboard;
    platform.is_typed = platform.has_input;
}

_Noreturn void kg_start(uint32_t magic, uint32_t info)
{
    static const struct kg_framebuffer unknown;
    kg_fpu_enable();
    kg_gdt_load(&segments, kg_ist_top);
    kg_interrupts_init();
    kg_interrupts_load();
    kg_debugcon_init();
    kg_serial_init();
    kg_i8042_init();
    const struct kg_boot *boot = kg_boot_read(magic, info);
    kg_screen_init(boot ? &boot->framebuffer : &unknown, &kg_vga);
    if (!boot) {
        plat_panic("started by a loader that is not Multiboot, Multiboot2, PVH or kgpt.efi");
    }
    if (!kg_memory_init(boot)) {
        plat_panic("the loader reported no usable memory above 1 MiB");
    }
    kg_paging_join();
    if (!kg_paging_init()) {
        plat_panic("not enough memory for the page tables");
    }
    kg_screen_start();
    kg_cpu_detect(&cpu);
    kg_smp_init(&cpu, kg_firmware_tables);
    kg_firmware_init(boot);
    describe_platform(boot);
    plat_exit(kg_main(&platform));
}
