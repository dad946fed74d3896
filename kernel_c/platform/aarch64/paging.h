/* The page tables of aarch64: platform/common/paging.h. */
#ifndef KGPT_AARCH64_PAGING_H
#define KGPT_AARCH64_PAGING_H

#include "platform/boot/boot.h"
#include "platform/common/paging.h"

/* Maps the memory that the loader reported. Devices are mapped by kg_map_device. Returns false if memory for tables ran
 * out. */
bool kg_paging_init(const struct kg_boot *boot);

#endif
