/* ECAM ranges (MCFG) and IOMMUs (DMAR, IVRS): see kgpt/acpi.h. (PCI Firmware 3.2, 4.1.2; VT-d 3.3, 8.3; AMD IOMMU
 * 3.05, 5.2.2.) */
#include "acpi_tables.h"

#define MCFG_LIST 44
#define MCFG_ENTRY 16
#define REMAPPING_LIST 48 /* of both DMAR and IVRS */

/* Layout of an IOMMU structure in either table: its type comes first. */
enum { UNIT_LENGTH = 2, UNIT_REGISTERS = 8, UNIT_LEAST = 16 };

bool kg_acpi_find_ecam(struct kg_acpi_ecam *ecam, const struct kg_acpi *acpi, uint32_t n)
{
    struct kg_acpi_table table;
    if (n > UINT8_MAX || !kg_acpi_find(acpi, "MCFG", 0, &table)) {
        return false;
    }
    uint32_t at = MCFG_LIST + MCFG_ENTRY * n;
    if (at + MCFG_ENTRY > table.size) {
        return false;
    }
    *ecam = (struct kg_acpi_ecam){
        .base = kg_acpi_field(&table, at, 8),
        .segment = (uint16_t)kg_acpi_field(&table, at + 8, 2),
        .first = (uint8_t)kg_acpi_field(&table, at + 10, 1),
        .last = (uint8_t)kg_acpi_field(&table, at + 11, 1),
    };
    return true;
}

/* Address of the registers of the n-th IOMMU; decrements *n for each one found. 0: the table has fewer. */
static uint64_t find_unit(const struct kg_acpi_table *table, bool amd, uint32_t *n)
{
    uint32_t size;
    for (uint32_t at = REMAPPING_LIST; at + UNIT_LEAST <= table->size; at += size) {
        size = (uint32_t)kg_acpi_field(table, at + UNIT_LENGTH, 2);
        uint32_t kind = (uint32_t)kg_acpi_field(table, at, amd ? 1 : 2);
        bool is_unit = amd ? kind == 0x10 || kind == 0x11 || kind == 0x40 : kind == 0;
        if (size < UNIT_LEAST) {
            return 0;
        }
        if (is_unit && (*n)-- == 0) {
            return kg_acpi_field(table, at + UNIT_REGISTERS, 8);
        }
    }
    return 0;
}

uint64_t kg_acpi_find_iommu(const struct kg_acpi *acpi, bool amd, uint32_t n)
{
    struct kg_acpi_table table;
    return kg_acpi_find(acpi, amd ? "IVRS" : "DMAR", 0, &table) ? find_unit(&table, amd, &n) : 0;
}
