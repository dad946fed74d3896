/* Boot information, independent of the loader's protocol. */
#ifndef KGPT_BOOT_BOOT_H
#define KGPT_BOOT_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/pixels.h"
#include "kgpt/platform.h"

#define KG_BOOT_MAX_REGIONS 256
#define KG_BOOT_CMDLINE_SIZE 4096
#define KG_BOOT_NAMES_SIZE 8192

/* E820 types; only RAM is used. */
#define KG_REGION_RAM 1u

struct kg_region {
    uint64_t base, size;
    uint32_t type;
};

struct kg_module {
    uint64_t base, size;
    const char *name;  /* first word of its command line, in kg_boot.names */
    const char *words; /* the other words */
    bool checked;      /* the loader compared the SHA-256 of the words */
};

enum kg_framebuffer_type {
    KG_FRAMEBUFFER_UNKNOWN, /* the loader passed no information */
    KG_FRAMEBUFFER_NONE,    /* no framebuffer (UEFI without GOP information) */
    KG_FRAMEBUFFER_RGB,
    KG_FRAMEBUFFER_TEXT,
};

struct kg_framebuffer {
    enum kg_framebuffer_type type;
    bool is_memory; /* ordinary memory, which a device reads through the caches */
    uint64_t base;
    struct kg_pixel_format format; /* of RGB */
};

struct kg_boot {
    const char *loader;
    const char *excess; /* what exceeded the limits of these tables; NULL: nothing */
    char cmdline[KG_BOOT_CMDLINE_SIZE];
    size_t n_regions;
    struct kg_region regions[KG_BOOT_MAX_REGIONS];
    size_t n_modules;
    struct kg_module modules[KG_FILES_MAX];
    size_t names_n;
    char names[KG_BOOT_NAMES_SIZE];
    struct kg_framebuffer framebuffer;
    bool for_people;     /* a boot loader with a menu: a person may expect a screen */
    uint64_t rsdp;       /* physical address of the ACPI RSDP; 0: not found */
    uintptr_t image_end; /* where the kernel ends, with its model: its header says so, which `kgpt pack` updates */
};

/* True if the memory map declares any byte from `from` to before `to` as RAM. */
bool kg_boot_is_ram(const struct kg_boot *boot, uint64_t from, uint64_t to);

/* For the readers of the protocols. */
void kg_boot_set_cmdline(struct kg_boot *boot, const char *text);
void kg_boot_add_region(struct kg_boot *boot, uint64_t base, uint64_t size, uint32_t type);
void kg_boot_add_module(struct kg_boot *boot, uint64_t base, uint64_t size, const char *name);
/* In the format of both Multiboots. `fields`: position and size of red, green and blue. */
enum kg_framebuffer_type kg_boot_framebuffer_type(uint8_t type);
struct kg_pixel_format kg_boot_pixel_format(uint32_t pitch, uint32_t width, uint32_t height, uint8_t bpp,
                                            const uint8_t fields[6]);

void kg_uefi_read(struct kg_boot *boot, uintptr_t info);

#endif
