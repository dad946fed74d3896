/* The firmware's tables, read when they are first needed, and the registers that they name. */
#ifndef KGPT_X86_64_FIRMWARE_H
#define KGPT_X86_64_FIRMWARE_H

#include "kgpt/acpi.h"
#include "platform/boot/boot.h"

/* At boot: remembers where to look. */
void kg_firmware_init(const struct kg_boot *boot);

/* Whoever asks first opens the tables. NULL: `*problem` says why there are none. */
const struct kg_acpi *kg_firmware_tables(const char **problem);

/* NULL: there is none. */
const struct kg_acpi_fadt *kg_firmware_fadt(void);

/* True if the memory map calls any of these bytes RAM. */
bool kg_firmware_is_ram(uint64_t from, uint64_t to);

/* Sees to it that a register's `size` bytes can be used. False where there is none, or what says so lies: nothing of ours is a register. */
bool kg_register_usable(const struct kg_acpi_register *r, uint32_t size);

/* Of 1, 2 or 4 bytes, in memory or at a port; usable ones only. A register that is configuration of PCI can be written, a byte. */
uint32_t kg_register_read(const struct kg_acpi_register *r, uint32_t size);
void kg_register_write(const struct kg_acpi_register *r, uint32_t size, uint32_t value);

#endif
