/* QEMU's firmware configuration: named files that the machine gives, some of which the guest writes (QEMU:
 * docs/specs/fw_cfg.rst). */
#ifndef KGPT_VIRT_FW_CFG_H
#define KGPT_VIRT_FW_CFG_H

#include "facts/facts.h"

/* The key of the file with this name and size. The registers are mapped. 0: there is none, or no way to write it. */
uint32_t kg_fw_cfg_find(const struct kg_range *registers, const char *name, uint32_t size);

bool kg_fw_cfg_write(const struct kg_range *registers, uint32_t key, const void *bytes, uint32_t size);

#endif
