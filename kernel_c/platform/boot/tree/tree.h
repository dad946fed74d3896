/* The Linux boot protocol of aarch64: a device tree describes the machine, its memory, and what the loader brings. */
#ifndef KGPT_BOOT_TREE_TREE_H
#define KGPT_BOOT_TREE_TREE_H

#include "fdt.h"
#include "platform/boot/boot.h"

/* Reads the tree at `blob`. It stays where it is, in the middle of memory: so what is wanted of it must be read before
 * that memory is used. `boot->n_regions` is 0 if there is no tree; `*fdt` is empty then. */
void kg_tree_read(struct kg_boot *boot, struct kg_fdt *fdt, uintptr_t blob);

/* Adds the files of an initial RAM disk as boot modules: a cpio archive (newc) has files with names and words; anything
 * else is one file. Returns false if an archive is damaged. */
bool kg_initrd_read(struct kg_boot *boot, const uint8_t *bytes, uint64_t size);

#endif
