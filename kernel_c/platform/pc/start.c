/* The boot of a PC: from the loader's two registers to kg_main. */
#include "debugcon.h"
#include "firmware.h"
#include "i8042.h"
#include "kgpt/platform.h"
#include "platform/boot/pc/loaders.h"
#include "platform/common/describe.h"
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

extern char kg_ist_top[];

static struct kg_segments segments;
static struct kg_cpu cpu;

_Noreturn void kg_start(uint32_t magic, uint32_t info)
{
    static const struct kg_framebuffer unknown;
    kg_fpu_enable();
    kg_gdt_load(&segments, kg_ist_top);
    kg_interrupts_init();
    kg_interrupts_load();
    kg_channel_init();
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
    kg_processors_init(&cpu);
    kg_smp_init(kg_firmware_tables);
    kg_firmware_init(boot);
    plat_exit(kg_main(kg_describe_platform("x86_64", boot, &cpu)));
}
