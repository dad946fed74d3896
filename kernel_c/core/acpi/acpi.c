/* Finds ACPI tables: RSDP, then XSDT and RSDT, then the table. See kgpt/acpi.h. Fields are read byte by byte,
 * because tables may be unaligned. */
#include "acpi_tables.h"
#include "kgpt/mem.h"

#define RSDP_SIZE 20u     /* ACPI 1.0 */
#define RSDP_SIZE_MAX 64u /* ACPI 2.0 and later use 36 */
#define RSDP_REVISION 15
#define RSDP_RSDT 16
#define RSDP_LENGTH 20
#define RSDP_XSDT 24

#define HEADER_LENGTH 4
#define MADT_ENTRIES 44
#define TABLE_SIZE_MAX (1u << 22) /* plausibility limit: the DSDT of a large server has a fourth of it */

static uint64_t number_at(const uint8_t *bytes, uint32_t size)
{
    uint64_t value = 0;
    for (uint32_t i = size; i-- > 0;) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static bool sums_to_zero(const uint8_t *bytes, uint64_t n)
{
    uint8_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        sum = (uint8_t)(sum + bytes[i]);
    }
    return sum == 0;
}

static const uint8_t *read_at(const struct kg_acpi_memory *memory, uint64_t address, uint64_t size)
{
    return address == 0 || address + size < address ? NULL : memory->read(memory->context, address, size);
}

uint64_t kg_acpi_field(const struct kg_acpi_table *table, uint32_t at, uint32_t size)
{
    return at + size <= table->size ? number_at(table->bytes + at, size) : 0;
}

struct kg_acpi_register kg_acpi_register_at(const struct kg_acpi_table *table, uint32_t at)
{
    struct kg_acpi_register result = {kg_acpi_field(table, at + 4, 8), (uint8_t)kg_acpi_field(table, at, 1)};
    if (result.space > KG_ACPI_PCI || (result.space == KG_ACPI_PORT && result.address > 0xFFFF)) {
        result.address = 0;
    }
    return result;
}

bool kg_acpi_table_at(const struct kg_acpi *acpi, uint64_t address, const char *signature, struct kg_acpi_table *table)
{
    const uint8_t *bytes = read_at(acpi->memory, address, KG_ACPI_HEADER);
    if (!bytes || memcmp(bytes, signature, 4) != 0) {
        return false;
    }
    table->size = (uint32_t)number_at(bytes + HEADER_LENGTH, 4);
    if (table->size < KG_ACPI_HEADER || table->size > TABLE_SIZE_MAX) {
        return false;
    }
    table->bytes = read_at(acpi->memory, address, table->size);
    return table->bytes && sums_to_zero(table->bytes, table->size);
}

/* Finds the n-th valid table of this signature in the list at `root`, whose addresses have `width` bytes. Decrements
 * *n for each match, so that the search can continue in another list. */
static bool find_in(const struct kg_acpi *acpi, uint64_t root, uint32_t width, const char *signature, uint32_t *n,
                    struct kg_acpi_table *table)
{
    struct kg_acpi_table list;
    if (!kg_acpi_table_at(acpi, root, width == 8 ? "XSDT" : "RSDT", &list)) {
        return false;
    }
    for (uint32_t at = KG_ACPI_HEADER; at + width <= list.size; at += width) {
        if (kg_acpi_table_at(acpi, number_at(list.bytes + at, width), signature, table) && (*n)-- == 0) {
            return true;
        }
    }
    return false;
}

bool kg_acpi_find(const struct kg_acpi *acpi, const char *signature, uint32_t n, struct kg_acpi_table *table)
{
    return find_in(acpi, acpi->xsdt, 8, signature, &n, table) || find_in(acpi, acpi->rsdt, 4, signature, &n, table);
}

const char *kg_acpi_visit_madt(const struct kg_acpi *acpi, void *to,
                               void (*visit)(void *to, const struct kg_acpi_table *madt, struct kg_madt_entry entry))
{
    struct kg_acpi_table madt;
    if (!kg_acpi_find(acpi, "APIC", 0, &madt)) {
        return "the ACPI tables have no usable MADT";
    }
    if (madt.size < MADT_ENTRIES) {
        return "the MADT is cut short";
    }
    for (uint32_t at = MADT_ENTRIES; at < madt.size;) {
        uint32_t size = (uint32_t)kg_acpi_field(&madt, at + 1, 1);
        if (size < 2 || size > madt.size - at) {
            return "an entry of the MADT is cut short";
        }
        visit(to, &madt, (struct kg_madt_entry){at, size, madt.bytes[at]});
        at += size;
    }
    return NULL;
}

/* Since ACPI 2.0 the RSDP is longer and has a second checksum over all its bytes. Returns 0 if the RSDP is older, or
 * if that checksum is wrong. */
static uint64_t xsdt_of(const struct kg_acpi_memory *memory, uint64_t rsdp)
{
    const uint8_t *pointer = read_at(memory, rsdp, RSDP_XSDT + 8);
    uint64_t length = pointer ? number_at(pointer + RSDP_LENGTH, 4) : 0;
    if (length < RSDP_XSDT + 8 || length > RSDP_SIZE_MAX) {
        return 0;
    }
    pointer = read_at(memory, rsdp, length);
    return pointer && sums_to_zero(pointer, length) ? number_at(pointer + RSDP_XSDT, 8) : 0;
}

const char *kg_acpi_open(struct kg_acpi *acpi, uint64_t rsdp, const struct kg_acpi_memory *memory)
{
    const uint8_t *pointer = read_at(memory, rsdp, RSDP_SIZE);
    if (!pointer) {
        return "the firmware has no ACPI tables";
    }
    if (memcmp(pointer, "RSD PTR ", 8) != 0 || !sums_to_zero(pointer, RSDP_SIZE)) {
        return "the root pointer of the ACPI tables is damaged";
    }
    acpi->memory = memory;
    acpi->rsdt = number_at(pointer + RSDP_RSDT, 4);
    acpi->xsdt = pointer[RSDP_REVISION] >= 2 ? xsdt_of(memory, rsdp) : 0;
    return NULL;
}
