/* Finds devices that only the DSDT describes: see kgpt/acpi.h. The AML is not run. An object is found by the form of
 * its bytes, in the order in which compilers write them.
 *
 * A device has a name (_HID, a string), and shortly behind it, in _CRS, one Memory32Fixed descriptor (ACPI 6.5,
 * 6.4.3.4): 86 09 00, flags, address, length. */
#include "acpi_tables.h"
#include "kgpt/mem.h"

#define NAME_SIZE 9u   /* eight characters, and NUL */
#define CRS_WITHIN 96u /* QEMU's is 30 bytes behind the name */

enum { MEMORY_FIXED_FLAGS = 3, MEMORY_FIXED_BASE = 4, MEMORY_FIXED_LENGTH = 8, MEMORY_FIXED_SIZE = 12 };
static const uint8_t memory_fixed[MEMORY_FIXED_FLAGS] = {0x86, 9, 0};

static bool is_name(const struct kg_acpi_table *table, uint32_t at, const char *name)
{
    return at + NAME_SIZE <= table->size && memcmp(table->bytes + at, name, NAME_SIZE) == 0;
}

/* Reads the descriptor behind the name at `at`, before the name of another device. */
static bool read_registers(const struct kg_acpi_table *table, uint32_t at, const char *name,
                           struct kg_acpi_range *range)
{
    uint32_t end = at + NAME_SIZE + CRS_WITHIN;
    for (at += NAME_SIZE; at < end && at + MEMORY_FIXED_SIZE <= table->size && !is_name(table, at, name); at++) {
        if (memcmp(table->bytes + at, memory_fixed, sizeof memory_fixed) == 0) {
            range->base = kg_acpi_field(table, at + MEMORY_FIXED_BASE, 4);
            range->size = kg_acpi_field(table, at + MEMORY_FIXED_LENGTH, 4);
            return range->base && range->size;
        }
    }
    return false;
}

bool kg_acpi_find_device(struct kg_acpi_range *range, const struct kg_acpi *acpi, const struct kg_acpi_fadt *fadt,
                         const char *name, uint32_t n)
{
    struct kg_acpi_table table;
    if (!kg_acpi_table_at(acpi, fadt->dsdt, "DSDT", &table)) {
        return false;
    }
    for (uint32_t at = KG_ACPI_HEADER; at < table.size; at++) {
        if (is_name(&table, at, name) && read_registers(&table, at, name, range) && n-- == 0) {
            return true;
        }
    }
    return false;
}

/* --- the Generic Event Device --- */

#define GED_WITHIN 128u

/* An operation region in memory of four bytes, whose address has four bytes: OpRegionOp 5B 80, its name, SystemMemory,
 * DWordPrefix and address, BytePrefix and length. */
enum { REGION_SPACE = 6, REGION_ADDRESS = 8, REGION_LENGTH = 13, REGION_SIZE = 14 };
static const uint8_t region_begin[] = {0x5B, 0x80};
static const uint8_t region_of_memory[] = {0x00, 0x0C};

static uint64_t region_at(const struct kg_acpi_table *table, uint32_t at)
{
    const uint8_t *bytes = table->bytes + at;
    bool good = memcmp(bytes, region_begin, sizeof region_begin) == 0 &&
                memcmp(bytes + REGION_SPACE, region_of_memory, sizeof region_of_memory) == 0 &&
                bytes[REGION_LENGTH - 1] == 0x0A && bytes[REGION_LENGTH] == 4;
    return good ? kg_acpi_field(table, at + REGION_ADDRESS, 4) : 0;
}

/* Its method notifies the power button of bit 1: And (Local0, 2, …) and Notify (PWRB, 0x80). */
static const uint8_t and_bit_1[] = {0x7B, 0x60, 0x0A, 0x02};
static const uint8_t notify_button[] = {0x86, 'P', 'W', 'R', 'B', 0x0A, 0x80};

/* The register of the device whose name is at `at`; 0: it has another form. */
static uint64_t read_events(const struct kg_acpi_table *table, uint32_t at)
{
    uint64_t address = 0;
    uint32_t left = table->size - at;
    bool tests_bit = false;
    for (uint32_t i = 0; i < GED_WITHIN && i + REGION_SIZE <= left; i++) {
        const uint8_t *bytes = table->bytes + at + i;
        address = address ? address : region_at(table, at + i);
        tests_bit = tests_bit || memcmp(bytes, and_bit_1, sizeof and_bit_1) == 0;
        if (memcmp(bytes, notify_button, sizeof notify_button) == 0) {
            return tests_bit ? address : 0;
        }
    }
    return 0;
}

uint64_t kg_acpi_find_events(const struct kg_acpi *acpi, const struct kg_acpi_fadt *fadt)
{
    struct kg_acpi_table table;
    if (!kg_acpi_table_at(acpi, fadt->dsdt, "DSDT", &table)) {
        return 0;
    }
    for (uint32_t at = KG_ACPI_HEADER; at < table.size; at++) {
        uint64_t address = is_name(&table, at, "ACPI0013") ? read_events(&table, at) : 0;
        if (address) {
            return address;
        }
    }
    return 0;
}

/* --- windows of a PCI host --- */

/* A descriptor of a range of addresses (ACPI 6.5, 6.4.3.5): tag, length, type, flags; numbers of four or eight bytes:
 * granularity, first, last, distance from the bus to the processor, length. */
enum { RANGE_TYPE = 3, RANGE_NUMBERS = 6 };
enum { TAG_DWORD = 0x87, TAG_QWORD = 0x8A, LENGTH_DWORD = 0x17, LENGTH_QWORD = 0x2B };
#define HOST_WITHIN 8192u

static bool read_window(const struct kg_acpi_table *table, uint32_t at, struct kg_acpi_window *window)
{
    const uint8_t *bytes = table->bytes + at;
    uint32_t width = bytes[0] == TAG_DWORD && bytes[1] == LENGTH_DWORD && bytes[2] == 0   ? 4
                     : bytes[0] == TAG_QWORD && bytes[1] == LENGTH_QWORD && bytes[2] == 0 ? 8
                                                                                          : 0;
    uint32_t numbers = at + RANGE_NUMBERS;
    if (width == 0 || numbers + 5 * width > table->size || bytes[RANGE_TYPE] > KG_ACPI_WINDOW_PORTS) {
        return false;
    }
    uint64_t first = kg_acpi_field(table, numbers + width, width);
    uint64_t last = kg_acpi_field(table, numbers + 2 * width, width);
    *window = (struct kg_acpi_window){
        .kind = (enum kg_acpi_window_kind)bytes[RANGE_TYPE],
        .bus = first,
        .base = first + kg_acpi_field(table, numbers + 3 * width, width),
        .size = kg_acpi_field(table, numbers + 4 * width, width),
    };
    return window->size && last - first == window->size - 1 && first + (window->size - 1) >= first &&
           window->base + (window->size - 1) >= window->base;
}

static bool is_pci_host(const struct kg_acpi_table *table, uint32_t at)
{
    static const char name[] = "PNP0A08"; /* or its compressed form behind a DWordPrefix */
    static const uint8_t number[] = {0x0C, 0x41, 0xD0, 0x0A, 0x08};
    return (at + sizeof name <= table->size && memcmp(table->bytes + at, name, sizeof name) == 0) ||
           (at + sizeof number <= table->size && memcmp(table->bytes + at, number, sizeof number) == 0);
}

bool kg_acpi_find_window(struct kg_acpi_window *window, const struct kg_acpi *acpi, const struct kg_acpi_fadt *fadt,
                         uint32_t n)
{
    struct kg_acpi_table table;
    uint32_t host = KG_ACPI_HEADER;
    if (!kg_acpi_table_at(acpi, fadt->dsdt, "DSDT", &table)) {
        return false;
    }
    while (host < table.size && !is_pci_host(&table, host)) {
        host++;
    }
    for (uint32_t at = host; at < host + HOST_WITHIN && at + RANGE_NUMBERS < table.size; at++) {
        if (read_window(&table, at, window) && n-- == 0) {
            return true;
        }
    }
    return false;
}

bool kg_acpi_host_is_coherent(const struct kg_acpi *acpi, const struct kg_acpi_fadt *fadt)
{
    static const uint8_t one[] = {0x08, '_', 'C', 'C', 'A', 0x01}; /* Name (_CCA, One) */
    struct kg_acpi_table table;
    if (!kg_acpi_table_at(acpi, fadt->dsdt, "DSDT", &table)) {
        return false;
    }
    bool behind = false;
    uint32_t end = table.size;
    for (uint32_t at = KG_ACPI_HEADER; at + sizeof one <= end; at++) {
        if (!behind && is_pci_host(&table, at)) {
            behind = true;
            end = at + HOST_WITHIN < end ? at + HOST_WITHIN : end;
        }
        if (behind && memcmp(table.bytes + at, one, sizeof one) == 0) {
            return true;
        }
    }
    return false;
}
