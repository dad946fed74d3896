/* Parses boot information of a simulated loader, for ctypes. */
#include "../../kernel_c/platform/boot/boot_info.c"
#include "../../kernel_c/platform/boot/pc/boot.c"
#include "../../kernel_c/platform/boot/pc/multiboot1.c"

const uint32_t kg_multiboot1_header[LOAD_END_ADDR + 1] = {0};

uint64_t kg_boot_find_rsdp(void)
{
    return 0;
}

void kg_pvh_read(struct kg_boot *boot, uint32_t info)
{
    (void)boot;
    (void)info;
}

void kg_multiboot2_read(struct kg_boot *boot, uint32_t info)
{
    (void)boot;
    (void)info;
}

void kg_uefi_read(struct kg_boot *boot, uintptr_t info)
{
    (void)boot;
    (void)info;
}

void driver_begin(void);
void driver_begin(void)
{
    static const struct kg_boot nothing;
    boot_info = nothing;
}

void driver_region(uint64_t base);
void driver_region(uint64_t base)
{
    kg_boot_add_region(&boot_info, base, 4096, KG_REGION_RAM);
}

void driver_module(const char *line);
void driver_module(const char *line)
{
    kg_boot_add_module(&boot_info, 0, 1, line);
}

const char *driver_module_name(size_t i);
const char *driver_module_name(size_t i)
{
    return boot_info.modules[i].name;
}

const char *driver_module_words(size_t i);
const char *driver_module_words(size_t i)
{
    return boot_info.modules[i].words;
}

/* The command line for the application, from a multiboot 1 loader with this name. */
const char *driver_cmdline(const char *loader, const char *text);
const char *driver_cmdline(const char *loader, const char *text)
{
    kg_boot_set_cmdline(&boot_info, skip_file_name(text, is_qemu(loader)));
    return boot_info.cmdline;
}

const char *driver_excess(void);
const char *driver_excess(void)
{
    return boot_info.excess;
}
