/* The loaders of PCs, each with its own boot protocol. */
#ifndef KGPT_BOOT_PC_LOADERS_H
#define KGPT_BOOT_PC_LOADERS_H

#include "platform/boot/boot.h"

/* Reads the structure at `info` in the protocol of `magic`, and copies everything, so that its memory can be reused.
 * Returns NULL for an unknown magic. */
const struct kg_boot *kg_boot_read(uint32_t magic, uint32_t info);

/* For the readers of the protocols. */
uint64_t kg_boot_find_rsdp(void);
void kg_pvh_read(struct kg_boot *boot, uint32_t info);
void kg_multiboot1_read(struct kg_boot *boot, uint32_t info);
void kg_multiboot2_read(struct kg_boot *boot, uint32_t info);

#endif
