/* Multiboot2 2.0: GRUB's `multiboot2`, under BIOS and UEFI. */
#include "loaders.h"

enum {
    TAG_END = 0,
    TAG_CMDLINE = 1,
    TAG_MODULE = 3,
    TAG_MMAP = 6,
    TAG_FRAMEBUFFER = 8,
    TAG_EFI32 = 11,
    TAG_EFI64 = 12,
    TAG_ACPI_OLD = 14,
    TAG_ACPI_NEW = 15,
    TAG_EFI_MMAP = 17,
};

struct tag {
    uint32_t type, size;
};

struct tag_module {
    struct tag tag;
    uint32_t start, end;
    char string[];
};

struct mmap_entry {
    uint64_t addr, len;
    uint32_t type, reserved;
};

struct tag_mmap {
    struct tag tag;
    uint32_t entry_size, entry_version;
};

struct tag_framebuffer {
    struct tag tag;
    uint64_t addr;
    uint32_t pitch, width, height;
    uint8_t bpp, type;
    uint16_t reserved;
    uint8_t color_info[6];
} __attribute__((packed));

#define RSDP_SIZE 36
static uint8_t rsdp_copy[RSDP_SIZE] __attribute__((aligned(16)));

static void read_mmap(struct kg_boot *boot, const struct tag_mmap *tag)
{
    if (tag->entry_size < sizeof(struct mmap_entry)) {
        return;
    }
    uintptr_t end = (uintptr_t)tag + tag->tag.size;
    for (uintptr_t at = (uintptr_t)(tag + 1); at + sizeof(struct mmap_entry) <= end; at += tag->entry_size) {
        const struct mmap_entry *entry = (const struct mmap_entry *)at;
        kg_boot_add_region(boot, entry->addr, entry->len, entry->type);
    }
}

static void read_multiboot2_framebuffer(struct kg_boot *boot, const struct tag_framebuffer *tag)
{
    struct kg_framebuffer *fb = &boot->framebuffer;
    fb->base = tag->addr;
    fb->format = kg_boot_pixel_format(tag->pitch, tag->width, tag->height, tag->bpp, tag->color_info);
    fb->type = kg_boot_framebuffer_type(tag->type);
}

static void read_rsdp(struct kg_boot *boot, const struct tag *tag)
{
    const uint8_t *from = (const uint8_t *)(tag + 1);
    uint32_t n = tag->size - (uint32_t)sizeof *tag;
    if (boot->rsdp && tag->type == TAG_ACPI_OLD) {
        return; /* the newer tag came first */
    }
    for (uint32_t i = 0; i < n && i < RSDP_SIZE; i++) {
        rsdp_copy[i] = from[i];
    }
    boot->rsdp = (uintptr_t)rsdp_copy;
}

static void read_tag(struct kg_boot *boot, const struct tag *tag, bool *efi)
{
    const struct tag_module *module = (const struct tag_module *)tag;
    switch (tag->type) {
    case TAG_CMDLINE: kg_boot_set_cmdline(boot, (const char *)(tag + 1)); break;
    case TAG_MODULE: kg_boot_add_module(boot, module->start, module->end - module->start, module->string); break;
    case TAG_MMAP: read_mmap(boot, (const struct tag_mmap *)tag); break;
    case TAG_FRAMEBUFFER: read_multiboot2_framebuffer(boot, (const struct tag_framebuffer *)tag); break;
    case TAG_ACPI_OLD:
    case TAG_ACPI_NEW: read_rsdp(boot, tag); break;
    case TAG_EFI32:
    case TAG_EFI64:
    case TAG_EFI_MMAP: *efi = true; break;
    default: break;
    }
}

void kg_multiboot2_read(struct kg_boot *boot, uint32_t info)
{
    uintptr_t at = (uintptr_t)info + 8, end = info + *(const uint32_t *)(uintptr_t)info;
    bool efi = false;
    boot->loader = "multiboot2";
    while (at + sizeof(struct tag) <= end) {
        const struct tag *tag = (const struct tag *)at;
        if (tag->type == TAG_END || tag->size < sizeof *tag) {
            break;
        }
        read_tag(boot, tag, &efi);
        at += ((uintptr_t)tag->size + 7) & ~(uintptr_t)7;
    }
    if (efi && boot->framebuffer.type == KG_FRAMEBUFFER_UNKNOWN) {
        boot->framebuffer.type = KG_FRAMEBUFFER_NONE;
    }
    boot->for_people = efi;
    if (!boot->rsdp && !efi) {
        boot->rsdp = kg_boot_find_rsdp();
    }
}
