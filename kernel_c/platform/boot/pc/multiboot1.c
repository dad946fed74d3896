/* Multiboot 0.6.96: QEMU's -kernel, GRUB's `multiboot`. */
#include "loaders.h"

enum {
    FLAG_MEMORY = 1 << 0,
    FLAG_CMDLINE = 1 << 2,
    FLAG_MODULES = 1 << 3,
    FLAG_MMAP = 1 << 6,
    FLAG_LOADER_NAME = 1 << 9,
    FLAG_FRAMEBUFFER = 1 << 12,
};

struct multiboot_info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4];
    uint32_t mmap_length, mmap_addr, drives_length, drives_addr, config_table, boot_loader_name, apm_table;
    uint32_t vbe_control_info, vbe_mode_info;
    uint16_t vbe_mode, vbe_interface_seg, vbe_interface_off, vbe_interface_len;
    uint64_t framebuffer_addr;
    uint32_t framebuffer_pitch, framebuffer_width, framebuffer_height;
    uint8_t framebuffer_bpp, framebuffer_type, color_info[6];
} __attribute__((packed));

struct multiboot_module {
    uint32_t start, end, string, reserved;
};

struct multiboot_mmap {
    uint32_t size; /* of the following fields */
    uint64_t addr, len;
    uint32_t type;
} __attribute__((packed));

static bool is_qemu(const char *name)
{
    return name[0] == 'q' && name[1] == 'e' && name[2] == 'm' && name[3] == 'u';
}

/* Skips the kernel's file name, which the specification puts before the words (QEMU, PXELINUX's mboot.c32, iPXE).
 * GRUB 2 omits it. A first word with a slash or a dot is a file name: no key of the kernel contains these. */
static const char *skip_file_name(const char *text, bool always)
{
    const char *end = text;
    for (; *end != '\0' && *end != ' '; end++) {
        if (*end == '/' || *end == '.') {
            always = true;
        } else if (*end == '=' && !always) {
            return text;
        }
    }
    return always ? end : text;
}

static void read_multiboot1_cmdline(struct kg_boot *boot, const struct multiboot_info *mb)
{
    const char *name =
        (mb->flags & FLAG_LOADER_NAME) && mb->boot_loader_name ? (const char *)(uintptr_t)mb->boot_loader_name : "";
    boot->for_people = !is_qemu(name);
    if ((mb->flags & FLAG_CMDLINE) && mb->cmdline) {
        kg_boot_set_cmdline(boot, skip_file_name((const char *)(uintptr_t)mb->cmdline, !boot->for_people));
    }
}

static void read_multiboot1_memory(struct kg_boot *boot, const struct multiboot_info *mb)
{
    if (!(mb->flags & FLAG_MMAP)) {
        if (mb->flags & FLAG_MEMORY) {
            kg_boot_add_region(boot, 0x100000, (uint64_t)mb->mem_upper * 1024, KG_REGION_RAM);
        }
        return;
    }
    uintptr_t at = mb->mmap_addr, end = at + mb->mmap_length;
    while (at + sizeof(struct multiboot_mmap) <= end) {
        const struct multiboot_mmap *entry = (const struct multiboot_mmap *)at;
        kg_boot_add_region(boot, entry->addr, entry->len, entry->type);
        at += entry->size + sizeof entry->size;
    }
}

static void read_multiboot1_framebuffer(struct kg_boot *boot, const struct multiboot_info *mb)
{
    if (!(mb->flags & FLAG_FRAMEBUFFER)) {
        return;
    }
    struct kg_framebuffer *fb = &boot->framebuffer;
    fb->base = mb->framebuffer_addr;
    fb->format = kg_boot_pixel_format(mb->framebuffer_pitch, mb->framebuffer_width, mb->framebuffer_height,
                                      mb->framebuffer_bpp, mb->color_info);
    fb->type = kg_boot_framebuffer_type(mb->framebuffer_type);
}

void kg_multiboot1_read(struct kg_boot *boot, uint32_t info)
{
    const struct multiboot_info *mb = (const struct multiboot_info *)(uintptr_t)info;
    boot->loader = "multiboot1";
    read_multiboot1_cmdline(boot, mb);
    read_multiboot1_memory(boot, mb);
    read_multiboot1_framebuffer(boot, mb);
    const struct multiboot_module *modules = (const struct multiboot_module *)(uintptr_t)mb->mods_addr;
    for (uint32_t i = 0; (mb->flags & FLAG_MODULES) && i < mb->mods_count; i++) {
        const char *name = modules[i].string ? (const char *)(uintptr_t)modules[i].string : "";
        kg_boot_add_module(boot, modules[i].start, modules[i].end - modules[i].start, name);
    }
    boot->rsdp = kg_boot_find_rsdp();
}
