/* RSDP, then XSDT or RSDT, then MADT: see kgpt/acpi.h. Fields are read byte by byte, since nothing here need be aligned. */
#include "kgpt/acpi.h"

#include <stddef.h>

#include "kgpt/mem.h"

#define RSDP_SIZE 20u     /* of ACPI 1.0 */
#define RSDP_SIZE_MAX 64u /* 36 since ACPI 2.0 */
#define RSDP_REVISION 15
#define RSDP_RSDT 16
#define RSDP_LENGTH 20
#define RSDP_XSDT 24

#define HEADER_SIZE 36u
#define HEADER_LENGTH 4
#define TABLE_SIZE_MAX (1u << 20) /* 65,536 processors fill it; what claims more is not a table */

#define MADT_ENTRIES 44
#define FLAG_ENABLED 1u

enum entry_type {
    ENTRY_LOCAL_APIC = 0,
    ENTRY_LOCAL_X2APIC = 9,
};

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

/* A whole table of this signature at `address`; NULL if there is none, or it is damaged. */
static const uint8_t *read_table(const struct kg_acpi_memory *memory, uint64_t address, const char *signature,
                                 uint32_t *size)
{
    const uint8_t *table = read_at(memory, address, HEADER_SIZE);
    if (!table || memcmp(table, signature, 4) != 0) {
        return NULL;
    }
    *size = (uint32_t)number_at(table + HEADER_LENGTH, 4);
    if (*size < HEADER_SIZE || *size > TABLE_SIZE_MAX) {
        return NULL;
    }
    table = read_at(memory, address, *size);
    return table && sums_to_zero(table, *size) ? table : NULL;
}

/* The MADT among the tables that this root table lists; `width`: bytes of an address in it. */
static const uint8_t *find_madt(const struct kg_acpi_memory *memory, uint64_t root_address, uint32_t width,
                                uint32_t *size)
{
    uint32_t root_size;
    const uint8_t *root = read_table(memory, root_address, width == 8 ? "XSDT" : "RSDT", &root_size);
    for (uint32_t at = HEADER_SIZE; root && at + width <= root_size; at += width) {
        const uint8_t *madt = read_table(memory, number_at(root + at, width), "APIC", size);
        if (madt) {
            return madt;
        }
    }
    return NULL;
}

static void add_cpu(struct kg_acpi_cpus *cpus, uint64_t id, uint64_t flags, uint64_t nobody)
{
    if (!(flags & FLAG_ENABLED) || id == nobody) {
        return;
    }
    for (uint32_t i = 0; i < cpus->n && i < KG_ACPI_MAX_CPUS; i++) {
        if (cpus->ids[i] == id) {
            return; /* firmware may list one both ways */
        }
    }
    if (cpus->n < KG_ACPI_MAX_CPUS) {
        cpus->ids[cpus->n] = (uint32_t)id;
    }
    cpus->n++;
}

/* `n` bytes are the entry's; what is too short for its type is skipped. */
static void read_entry(struct kg_acpi_cpus *cpus, const uint8_t *entry, uint32_t n)
{
    if (entry[0] == ENTRY_LOCAL_APIC && n >= 8) {
        add_cpu(cpus, entry[3], number_at(entry + 4, 4), 0xFF);
    } else if (entry[0] == ENTRY_LOCAL_X2APIC && n >= 16) {
        add_cpu(cpus, number_at(entry + 4, 4), number_at(entry + 8, 4), 0xFFFFFFFF);
    }
}

static const char *read_madt(struct kg_acpi_cpus *cpus, const uint8_t *madt, uint32_t size)
{
    if (size < MADT_ENTRIES) {
        return "the MADT is cut short";
    }
    for (uint32_t at = MADT_ENTRIES; at < size;) {
        uint32_t n = at + 2 <= size ? madt[at + 1] : 0;
        if (n < 2 || n > size - at) {
            return "an entry of the MADT is cut short";
        }
        read_entry(cpus, madt + at, n);
        at += n;
    }
    return cpus->n ? NULL : "the MADT lists no processor";
}

/* Since ACPI 2.0 the root pointer is longer, with a sum over all of it. 0: an older one, or damaged behind the first part. */
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

const char *kg_acpi_find_cpus(struct kg_acpi_cpus *cpus, uint64_t rsdp, const struct kg_acpi_memory *memory)
{
    uint32_t size = 0;
    memset(cpus, 0, sizeof *cpus);
    const uint8_t *pointer = read_at(memory, rsdp, RSDP_SIZE);
    if (!pointer) {
        return "the firmware has no ACPI tables";
    }
    if (memcmp(pointer, "RSD PTR ", 8) != 0 || !sums_to_zero(pointer, RSDP_SIZE)) {
        return "the root pointer of the ACPI tables is damaged";
    }
    uint64_t xsdt = pointer[RSDP_REVISION] >= 2 ? xsdt_of(memory, rsdp) : 0;
    const uint8_t *madt = find_madt(memory, xsdt, 8, &size);
    if (!madt) {
        madt = find_madt(memory, number_at(pointer + RSDP_RSDT, 4), 4, &size);
    }
    return madt ? read_madt(cpus, madt, size) : "the ACPI tables have no usable MADT";
}
