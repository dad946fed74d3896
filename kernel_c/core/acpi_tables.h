/* For the readers of single tables. */
#ifndef KGPT_CORE_ACPI_TABLES_H
#define KGPT_CORE_ACPI_TABLES_H

#include "kgpt/acpi.h"

#define KG_ACPI_HEADER 36u /* bytes that every table begins with */

/* The table of this signature at `address`; false if it is not there, or damaged. */
bool kg_acpi_table_at(const struct kg_acpi *acpi, uint64_t address, const char *signature, struct kg_acpi_table *table);

/* A little-endian number of `size` bytes in a table; 0 where the table does not go so far, which an older, shorter one means by it. */
uint64_t kg_acpi_field(const struct kg_acpi_table *table, uint32_t at, uint32_t size);

/* A generic address structure: none if its kind of address cannot be used. */
struct kg_acpi_register kg_acpi_register_at(const struct kg_acpi_table *table, uint32_t at);

#endif
