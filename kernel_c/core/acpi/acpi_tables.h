/* Shared by the parsers of single tables. */
#ifndef KGPT_CORE_ACPI_TABLES_H
#define KGPT_CORE_ACPI_TABLES_H

#include "kgpt/acpi.h"

#define KG_ACPI_HEADER 36u /* bytes of the common header */

/* Checks the table at `address`. Returns false if its signature differs or it is damaged. */
bool kg_acpi_table_at(const struct kg_acpi *acpi, uint64_t address, const char *signature, struct kg_acpi_table *table);

/* A little-endian number of `size` bytes. Returns 0 past the end of the table: a shorter table of an older version
 * means 0. */
uint64_t kg_acpi_field(const struct kg_acpi_table *table, uint32_t at, uint32_t size);

/* A generic address structure. The address is 0 if its address space is unsupported. */
struct kg_acpi_register kg_acpi_register_at(const struct kg_acpi_table *table, uint32_t at);

/* An entry of the MADT, which lies at `at` in the table. */
struct kg_madt_entry {
    uint32_t at, size, type;
};

/* Calls `visit` with each entry of the MADT (ACPI 6.5, 5.2.12), in their order. Returns NULL, or the problem. */
const char *kg_acpi_visit_madt(const struct kg_acpi *acpi, void *to,
                               void (*visit)(void *to, const struct kg_acpi_table *madt, struct kg_madt_entry entry));

#endif
