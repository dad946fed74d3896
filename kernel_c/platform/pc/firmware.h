/* The firmware's ACPI tables, opened at first use, and registers that they describe. */
#ifndef KGPT_PC_FIRMWARE_H
#define KGPT_PC_FIRMWARE_H

#include "kgpt/acpi.h"
#include "platform/boot/boot.h"

/* At boot: stores the address of the RSDP. */
void kg_firmware_init(const struct kg_boot *boot);

/* Opens the tables at the first call. NULL: `*problem` says why there are none. */
const struct kg_acpi *kg_firmware_tables(const char **problem);

/* NULL: there is no FADT. */
const struct kg_acpi_fadt *kg_firmware_fadt(void);

/* True if the memory map declares any of these bytes as RAM. */
bool kg_firmware_is_ram(uint64_t from, uint64_t to);

/* Makes a register of `size` bytes accessible. Returns false if it is absent or its address is implausible: a
 * register is never in the kernel's memory. */
bool kg_register_usable(const struct kg_acpi_register *r, uint32_t size);

/* Access of 1, 2 or 4 bytes to a usable register, in memory or at a port. A register in PCI configuration space is
 * write-only, one byte. */
uint32_t kg_register_read(const struct kg_acpi_register *r, uint32_t size);
void kg_register_write(const struct kg_acpi_register *r, uint32_t size, uint32_t value);

#endif
