/* The UEFI application of kgpt.efi: from the firmware's entry to the kernel's. start.c is the table of contents.
 *
 * Rules for this room. The code runs at any address, also above 4 GiB, with the firmware's page tables. A function
 * that the firmware calls is KG_EFIAPI. The kernel's struct kg_boot is filled here (kg_boot_add_module: a file in
 * memory from kg_uefi_pages). */
#ifndef KGPT_UEFI_LOADER_H
#define KGPT_UEFI_LOADER_H

#include "efi.h"
#include "platform/boot/uefi.h"

#define KG_UEFI_PAGE UINT64_C(4096)
#define KG_UEFI_FOUR_GIB UINT64_C(0x100000000)

/* The start of the file, before the PE header (kgpt_build/kernel/efi.py). */
struct kg_uefi_stub {
    uint8_t dos[0x40];      /* for loaders of Linux, too, where they know the architecture */
    uint32_t multiboot1[8]; /* where such loaders know the architecture */
    uint32_t kernel_offset; /* of the kernel, in the file and from the image's base */
    uint32_t kernel_size;
    uint32_t kernel_linked, kernel_entry; /* addresses: where the kernel is linked, and its entry then */
    /* Offsets in the kernel of the addresses that it holds: those of 32 bits, behind them those of 64 bits. A kernel
     * at another place needs the distance added to each. */
    uint32_t addresses_offset, n_addresses32, n_addresses64;
};

struct kg_uefi {
    kg_efi_handle image;
    struct kg_efi_system_table *system;
    struct kg_efi_loaded_image *loaded;
    struct kg_uefi_handover *handover;

    uint64_t place, size; /* the kernel's */
    uint64_t entry;
    uint64_t ramp; /* of an architecture that needs one */
    void *map;     /* buffer of the memory map */
    uint64_t map_room;
};

/* firmware.c: what the loader asks of firmware. */
void kg_uefi_say(const struct kg_uefi *u, const char *text); /* ASCII, on the firmware's console */
void *kg_uefi_protocol(const struct kg_uefi *u, kg_efi_handle handle, const struct kg_efi_guid *guid); /* NULL: none */
/* Whole pages for `size` bytes that the kernel may use as RAM later. No byte lies above `limit`. 0: no memory. */
uint64_t kg_uefi_pages(const struct kg_uefi *u, uint64_t size, uint64_t limit);
uint64_t kg_uefi_rsdp(const struct kg_efi_system_table *system); /* 0: none */
uint64_t kg_uefi_tree(const struct kg_efi_system_table *system); /* a device tree; 0: none */

/* clock.c. Seconds since 1970, UTC; 0: the firmware does not tell. */
uint64_t kg_uefi_time(const struct kg_efi_system_table *system);

/* load_options.c. Load options as UTF-8 text for the command line: at most `size` bytes with the final 0. Returns
 * false if they do not fit. Binary data is no text: then the text is empty. */
bool kg_uefi_options(const struct kg_efi_loaded_image *loaded, char *text, size_t size);

/* picture.c. The framebuffer of GOP, in its current mode. KG_FRAMEBUFFER_NONE without a linear one. */
struct kg_framebuffer kg_uefi_picture(const struct kg_efi_gop *gop);

/* memory_map.c. Adds the RAM of a memory map to boot->regions: sorted, neighbours merged, without what any other
 * descriptor claims. If there are more regions than fit, the smallest are left out. Sorts the map. */
void kg_uefi_add_memory(struct kg_boot *boot, void *map, uint64_t bytes, uint64_t descriptor_size);

/* The same file. Sets a bit for each GiB in which the map has memory. */
void kg_uefi_mark_memory(uint64_t marks[KG_UEFI_MARKS], void *map, uint64_t bytes, uint64_t descriptor_size);

/* kernel_place.c. Brings the kernel where it was linked, or where memory is free. NULL, or the problem. */
const char *kg_uefi_place_kernel(struct kg_uefi *u);
/* Ends boot services and describes memory to the kernel. On failure the firmware's console may be gone. */
bool kg_uefi_leave_firmware(struct kg_uefi *u);

#endif
