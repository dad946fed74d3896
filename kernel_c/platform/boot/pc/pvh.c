/* Xen's PVH boot ABI, as QEMU's -kernel and microvm use it (xen/include/public/arch-x86/hvm/start_info.h). */
#include "loaders.h"

#define PVH_START_MAGIC 0x336EC578u

struct start_info {
    uint32_t magic, version, flags, nr_modules;
    uint64_t modlist_paddr, cmdline_paddr, rsdp_paddr;
    uint64_t memmap_paddr; /* since version 1 */
    uint32_t memmap_entries, reserved;
};

struct modlist_entry {
    uint64_t paddr, size, cmdline_paddr, reserved;
};

struct memmap_entry {
    uint64_t addr, size;
    uint32_t type, reserved; /* E820 types */
};

void kg_pvh_read(struct kg_boot *boot, uint32_t info)
{
    const struct start_info *start = (const struct start_info *)(uintptr_t)info;
    boot->loader = "pvh";
    if (start->magic != PVH_START_MAGIC) {
        return;
    }
    if (start->cmdline_paddr) {
        kg_boot_set_cmdline(boot, (const char *)start->cmdline_paddr);
    }
    const struct modlist_entry *modules = (const struct modlist_entry *)start->modlist_paddr;
    for (uint32_t i = 0; modules && i < start->nr_modules; i++) {
        const char *name = modules[i].cmdline_paddr ? (const char *)modules[i].cmdline_paddr : "";
        kg_boot_add_module(boot, modules[i].paddr, modules[i].size, name);
    }
    const struct memmap_entry *map = (const struct memmap_entry *)start->memmap_paddr;
    for (uint32_t i = 0; start->version >= 1 && map && i < start->memmap_entries; i++) {
        kg_boot_add_region(boot, map[i].addr, map[i].size, map[i].type);
    }
    boot->rsdp = start->rsdp_paddr ? start->rsdp_paddr : kg_boot_find_rsdp();
}
