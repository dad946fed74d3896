/* Four boot protocols, one struct kg_boot. The readers copy all data, because the kernel reuses the memory of the
 * loaders' structures. */
#include "loaders.h"
#include "platform/boot/uefi_magic.h"

#define PVH_START_MAGIC 0x336EC578u
#define MULTIBOOT1_LOADER_MAGIC 0x2BADB002u
#define MULTIBOOT2_LOADER_MAGIC 0x36D76289u

extern const uint32_t kg_multiboot1_header[];

#define LOAD_END_ADDR 5 /* index in the multiboot header */

static struct kg_boot boot_info;

const struct kg_boot *kg_boot_read(uint32_t magic, uint32_t info)
{
    switch (magic) {
    case PVH_START_MAGIC: kg_pvh_read(&boot_info, info); break;
    case MULTIBOOT1_LOADER_MAGIC: kg_multiboot1_read(&boot_info, info); break;
    case MULTIBOOT2_LOADER_MAGIC: kg_multiboot2_read(&boot_info, info); break;
    case KG_UEFI_MAGIC: kg_uefi_read(&boot_info, info); break;
    default: return NULL;
    }
    boot_info.image_end = kg_multiboot1_header[LOAD_END_ADDR];
    return &boot_info;
}
