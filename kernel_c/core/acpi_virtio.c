/* Finds virtio devices that only the DSDT describes: see kgpt/acpi.h.
 *
 * Each is a device whose _HID is the string "LNRO0005", and whose _CRS, shortly behind it, has one Memory32Fixed
 * descriptor (ACPI 6.5, 6.4.3.4): 86 09 00, flags, address, length. The AML is not run. */
#include "acpi_tables.h"
#include "kgpt/mem.h"

#define NAME_SIZE 9u   /* with its NUL */
#define CRS_WITHIN 96u /* QEMU's is 30 bytes behind the name */

enum { MEMORY_FIXED_FLAGS = 3, MEMORY_FIXED_BASE = 4, MEMORY_FIXED_LENGTH = 8, MEMORY_FIXED_SIZE = 12 };

static const char virtio_name[NAME_SIZE] = "LNRO0005";
static const uint8_t memory_fixed[MEMORY_FIXED_FLAGS] = {0x86, 9, 0};

static bool is_name(const struct kg_acpi_table *table, uint32_t at)
{
    return at + NAME_SIZE <= table->size && memcmp(table->bytes + at, virtio_name, NAME_SIZE) == 0;
}

/* Reads the descriptor behind the name at `at`, before the name of another device. */
static bool read_registers(const struct kg_acpi_table *table, uint32_t at, struct kg_acpi_range *range)
{
    uint32_t end = at + NAME_SIZE + CRS_WITHIN;
    for (at += NAME_SIZE; at < end && at + MEMORY_FIXED_SIZE <= table->size && !is_name(table, at); at++) {
        if (memcmp(table->bytes + at, memory_fixed, sizeof memory_fixed) == 0) {
            range->base = kg_acpi_field(table, at + MEMORY_FIXED_BASE, 4);
            range->size = kg_acpi_field(table, at + MEMORY_FIXED_LENGTH, 4);
            return range->base && range->size;
        }
    }
    return false;
}

bool kg_acpi_find_virtio(struct kg_acpi_range *range, const struct kg_acpi *acpi, const struct kg_acpi_fadt *fadt,
                         uint32_t n)
{
    struct kg_acpi_table table;
    if (!kg_acpi_table_at(acpi, fadt->dsdt, "DSDT", &table)) {
        return false;
    }
    for (uint32_t at = KG_ACPI_HEADER; at < table.size; at++) {
        if (is_name(&table, at) && read_registers(&table, at, range) && n-- == 0) {
            return true;
        }
    }
    return false;
}
