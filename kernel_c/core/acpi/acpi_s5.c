/* Finds the object \_S5, which tells how to power off, in the AML of the DSDT and SSDTs: see kgpt/acpi.h. (ACPI 6.5,
 * 7.4.2 and 20.2.)
 *
 * Firmware defines it with constants as `Name (\_S5, Package () {a, b, …})`:
 *     NameOp 08, optional root prefix 5C, "_S5_", PackageOp 12, PkgLength, NumElements, elements.
 * Other occurrences of "_S5_", in method bodies or expressions, do not match this pattern. */
#include "acpi_tables.h"
#include "kgpt/mem.h"

enum byte_code {
    ZERO = 0x00,
    ONE = 0x01,
    NAME = 0x08,
    BYTE_PREFIX = 0x0A,
    WORD_PREFIX = 0x0B,
    DWORD_PREFIX = 0x0C,
    QWORD_PREFIX = 0x0E,
    PACKAGE = 0x12,
    ROOT = 0x5C,
};

#define TYPE_MAX 7u /* SLP_TYP has three bits */
#define SSDTS_MAX 256u

/* A range of AML. Nothing is read beyond `end`. */
struct code {
    const struct kg_acpi_table *table;
    uint32_t at, end;
};

/* Reads a number of `size` bytes. Returns 0 and moves to the end if the bytes are missing. */
static uint64_t take_aml(struct code *code, uint32_t size)
{
    if (size > code->end - code->at) {
        code->at = code->end;
        return 0;
    }
    code->at += size;
    return kg_acpi_field(code->table, code->at - size, size);
}

/* Reads an integer constant. Returns false if the next object is not one. */
static bool take_integer(struct code *code, uint64_t *value)
{
    uint32_t before = code->at, size;
    uint64_t op = take_aml(code, 1);
    switch (op) {
    case ZERO:
    case ONE: *value = op; return code->at > before;
    case BYTE_PREFIX: size = 1; break;
    case WORD_PREFIX: size = 2; break;
    case DWORD_PREFIX: size = 4; break;
    case QWORD_PREFIX: size = 8; break;
    default: return false;
    }
    before = code->at;
    *value = take_aml(code, size);
    return code->at - before == size;
}

/* Parses a package after PackageOp: shortens `code` to the package and moves to its first element. Returns the
 * number of elements that it declares; 0 if the package is invalid. */
static uint32_t enter_package(struct code *code)
{
    uint32_t start = code->at, first = (uint32_t)take_aml(code, 1), more = first >> 6;
    uint32_t length = more ? (first & 15) | (uint32_t)take_aml(code, more) << 4 : first & 63;
    if (length > code->end - start || code->at > start + length) {
        return 0;
    }
    code->end = start + length;
    return (uint32_t)take_aml(code, 1);
}

static bool is_definition(const struct kg_acpi_table *table, uint32_t name)
{
    uint32_t before = name - 1;
    if (table->bytes[before] == ROOT) {
        before--;
    }
    return before >= KG_ACPI_HEADER && table->bytes[before] == NAME;
}

/* Parses the package whose four-byte name is at `name`. Some old firmware packs both types into one element. */
static bool read_s5(const struct kg_acpi_table *table, uint32_t name, uint8_t types[2])
{
    struct code code = {table, name + 4, table->size};
    uint64_t a, b;
    if (!is_definition(table, name) || take_aml(&code, 1) != PACKAGE) {
        return false;
    }
    uint32_t n = enter_package(&code);
    if (n == 0 || !take_integer(&code, &a)) {
        return false;
    }
    if (n == 1) {
        b = a >> 8 & 0xFF;
        a &= 0xFF;
    } else if (!take_integer(&code, &b)) {
        return false;
    }
    types[0] = (uint8_t)a;
    types[1] = (uint8_t)b;
    return a <= TYPE_MAX && b <= TYPE_MAX;
}

static bool search_aml(const struct kg_acpi_table *table, uint8_t types[2])
{
    for (uint32_t at = KG_ACPI_HEADER + 1; at + 4 <= table->size; at++) {
        if (memcmp(table->bytes + at, "_S5_", 4) == 0 && read_s5(table, at, types)) {
            return true;
        }
    }
    return false;
}

bool kg_acpi_find_s5(uint8_t types[2], const struct kg_acpi *acpi, const struct kg_acpi_fadt *fadt)
{
    struct kg_acpi_table table;
    if (kg_acpi_table_at(acpi, fadt->dsdt, "DSDT", &table) && search_aml(&table, types)) {
        return true;
    }
    for (uint32_t i = 0; i < SSDTS_MAX && kg_acpi_find(acpi, "SSDT", i, &table); i++) {
        if (search_aml(&table, types)) {
            return true;
        }
    }
    return false;
}
