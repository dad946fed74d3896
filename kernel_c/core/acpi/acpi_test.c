/* Generated ACPI tables, valid and invalid, in simulated physical memory. */
#include "kgpt/acpi.h"
#include "kgpt/mem.h"
#include "kgpt/test.h"

#define BASE 0x7F000u /* physical address of `bytes` */
#define SIZE 8192u
#define RSDP 0u /* from here: offsets in `bytes` */
#define RSDT 64u
#define XSDT 192u
#define OTHER 320u
#define MADT 384u

struct machine {
    uint8_t bytes[SIZE];
    uint32_t madt_size;
    struct kg_acpi_memory memory;
    struct kg_acpi_cpus cpus;
};

static const void *read_bytes(void *context, uint64_t address, uint64_t size)
{
    struct machine *m = context;
    return address >= BASE && size <= SIZE && address - BASE <= SIZE - size ? m->bytes + (address - BASE) : NULL;
}

static void put_number(struct machine *m, uint32_t at, uint64_t value, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        m->bytes[at + i] = (uint8_t)(value >> 8 * i);
    }
}

/* Changes the byte at `sum` so that the `n` bytes at `at` sum to 0. */
static void seal_table(struct machine *m, uint32_t at, uint32_t n, uint32_t sum)
{
    uint8_t total = 0;
    m->bytes[sum] = 0;
    for (uint32_t i = 0; i < n; i++) {
        total = (uint8_t)(total + m->bytes[at + i]);
    }
    m->bytes[sum] = (uint8_t)-total;
}

static void begin_table(struct machine *m, uint32_t at, const char *signature, uint32_t size)
{
    memcpy(m->bytes + at, signature, 4);
    put_number(m, at + 4, size, 4);
    seal_table(m, at, size, at + 9);
}

static void seal_madt(struct machine *m)
{
    begin_table(m, MADT, "APIC", m->madt_size);
}

static void add_xapic(struct machine *m, uint8_t id, uint32_t flags)
{
    const uint8_t entry[] = {0, 8, 0, id, (uint8_t)flags, 0, 0, 0};
    memcpy(m->bytes + MADT + m->madt_size, entry, sizeof entry);
    m->madt_size += sizeof entry;
}

static void add_x2apic(struct machine *m, uint32_t id, uint32_t flags)
{
    uint32_t at = MADT + m->madt_size;
    put_number(m, at, 0x1009, 2);
    put_number(m, at + 4, id, 4);
    put_number(m, at + 8, flags, 4);
    m->madt_size += 16;
}

/* Revision 2, XSDT and RSDT, and a MADT after another table; processors 0 and 2. */
static struct machine *make_machine(struct kg_test *t)
{
    struct machine *m = kg_arena_take(t->arena, sizeof *m);
    if (!m) {
        return NULL;
    }
    m->memory = (struct kg_acpi_memory){read_bytes, m};
    memcpy(m->bytes + RSDP, "RSD PTR ", 8);
    m->bytes[RSDP + 15] = 2;
    put_number(m, RSDP + 16, BASE + RSDT, 4);
    put_number(m, RSDP + 20, 36, 4);
    put_number(m, RSDP + 24, BASE + XSDT, 8);
    seal_table(m, RSDP, 20, RSDP + 8);
    seal_table(m, RSDP, 36, RSDP + 32);
    put_number(m, RSDT + 36, BASE + OTHER, 4);
    put_number(m, RSDT + 40, BASE + MADT, 4);
    begin_table(m, RSDT, "RSDT", 44);
    put_number(m, XSDT + 36, BASE + OTHER, 8);
    put_number(m, XSDT + 44, BASE + MADT, 8);
    begin_table(m, XSDT, "XSDT", 52);
    begin_table(m, OTHER, "FACP", 40);
    m->madt_size = 44;
    add_xapic(m, 0, 1);
    add_xapic(m, 2, 1);
    seal_madt(m);
    return m;
}

static const char *find_by(struct machine *m, uint64_t rsdp)
{
    struct kg_acpi acpi;
    const char *problem = kg_acpi_open(&acpi, rsdp, &m->memory);
    return problem ? problem : kg_acpi_find_cpus(&m->cpus, &acpi);
}

static const char *find_dsdt_problem(struct machine *m)
{
    return find_by(m, BASE + RSDP);
}

KG_TEST(acpi, finds_processors)
{
    struct machine *m = make_machine(t);
    KG_CHECK(t, m && !find_dsdt_problem(m));
    KG_CHECK(t, m->cpus.n == 2 && m->cpus.ids[0] == 0 && m->cpus.ids[1] == 2);
    m->bytes[RSDP + 15] = 0; /* ACPI 1.0: the RSDT */
    seal_table(m, RSDP, 20, RSDP + 8);
    memset(m->bytes + XSDT, 0, 64);
    KG_CHECK(t, !find_dsdt_problem(m) && m->cpus.n == 2);
}

KG_TEST(acpi, entries)
{
    struct machine *m = make_machine(t);
    KG_CHECK(t, m);
    add_xapic(m, 3, 0);        /* not enabled */
    add_xapic(m, 4, 2);        /* online-capable only */
    add_xapic(m, 0xFF, 1);     /* the invalid id */
    add_x2apic(m, 2, 1);       /* duplicate */
    add_x2apic(m, 0x10005, 1); /* needs x2APIC */
    add_x2apic(m, UINT32_MAX, 1);
    put_number(m, MADT + m->madt_size, 0x0301, 2); /* an entry of another type, and of 3 bytes */
    m->madt_size += 3;
    put_number(m, MADT + m->madt_size, 0x0400, 2); /* a local APIC entry that is too short */
    m->madt_size += 4;
    seal_madt(m);
    KG_CHECK(t, !find_dsdt_problem(m));
    KG_CHECK_EQ(t, m->cpus.n, 3);
    KG_CHECK_EQ(t, m->cpus.ids[2], 0x10005);
}

KG_TEST(acpi, more_than_fit)
{
    struct machine *m = make_machine(t);
    KG_CHECK(t, m);
    m->madt_size = 44;
    for (uint32_t i = 0; i < 300; i++) {
        add_x2apic(m, i, 1);
    }
    seal_madt(m);
    KG_CHECK(t, !find_dsdt_problem(m) && m->cpus.n == 300 && m->cpus.ids[KG_ACPI_MAX_CPUS - 1] == KG_ACPI_MAX_CPUS - 1);
}

/* A table with any wrong byte is ignored. A table that only a damaged XSDT hides is found through the RSDT. */
KG_TEST(acpi, check_sums)
{
    struct machine *m = make_machine(t);
    KG_CHECK(t, m);
    m->bytes[XSDT + 36] ^= 1;
    KG_CHECK(t, !find_dsdt_problem(m) && m->cpus.n == 2);
    m->bytes[RSDT + 20] ^= 1;
    KG_CHECK_TEXT(t, find_dsdt_problem(m), "the ACPI tables have no usable MADT");
    m->bytes[RSDP + 3] ^= 1;
    KG_CHECK_TEXT(t, find_dsdt_problem(m), "the root pointer of the ACPI tables is damaged");
    m = make_machine(t);
    m->bytes[MADT + 59] ^= 4;
    KG_CHECK_TEXT(t, find_dsdt_problem(m), "the ACPI tables have no usable MADT");
    m = make_machine(t);
    m->bytes[RSDP + 33] ^= 1; /* second checksum of the RSDP: without it there is no XSDT */
    m->bytes[RSDT + 20] ^= 1;
    KG_CHECK_TEXT(t, find_dsdt_problem(m), "the ACPI tables have no usable MADT");
}

KG_TEST(acpi, absurd_lengths)
{
    const uint32_t lengths[] = {0, 35, SIZE - MADT + 1, 1u << 22, (1u << 22) + 1, UINT32_MAX};
    for (uint32_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct machine *m = make_machine(t);
        KG_CHECK(t, m);
        put_number(m, MADT + 4, lengths[i], 4);
        KG_CHECK_TEXT(t, find_dsdt_problem(m), "the ACPI tables have no usable MADT");
        m = make_machine(t);
        put_number(m, XSDT + 4, lengths[i], 4);
        put_number(m, RSDT + 4, lengths[i], 4);
        KG_CHECK_TEXT(t, find_dsdt_problem(m), "the ACPI tables have no usable MADT");
        m = make_machine(t);
        put_number(m, RSDP + 20, lengths[i], 4); /* no XSDT */
        KG_CHECK(t, !find_dsdt_problem(m) && m->cpus.n == 2);
    }
}

KG_TEST(acpi, cut_short)
{
    struct machine *m = make_machine(t);
    KG_CHECK(t, m);
    m->madt_size = 43;
    seal_madt(m);
    KG_CHECK_TEXT(t, find_dsdt_problem(m), "the MADT is cut short");
    m->madt_size = 44;
    seal_madt(m);
    KG_CHECK_TEXT(t, find_dsdt_problem(m), "the MADT lists no processor");
    m->madt_size = 59; /* the last entry is one byte short */
    seal_madt(m);
    KG_CHECK_TEXT(t, find_dsdt_problem(m), "an entry of the MADT is cut short");
    m->madt_size = 60;
    m->bytes[MADT + 45] = 0; /* length 0 would loop forever */
    seal_madt(m);
    KG_CHECK_TEXT(t, find_dsdt_problem(m), "an entry of the MADT is cut short");
}

KG_TEST(acpi, addresses_of_nothing)
{
    struct machine *m = make_machine(t);
    KG_CHECK(t, m);
    KG_CHECK_TEXT(t, find_by(m, 0), "the firmware has no ACPI tables");
    KG_CHECK_TEXT(t, find_by(m, BASE + SIZE - 19), "the firmware has no ACPI tables");
    KG_CHECK_TEXT(t, find_by(m, UINT64_MAX - 4), "the firmware has no ACPI tables");
    put_number(m, XSDT + 44, UINT64_MAX - 8, 8);
    begin_table(m, XSDT, "XSDT", 52);
    KG_CHECK(t, !find_dsdt_problem(m) && m->cpus.n == 2); /* through the RSDT */
    put_number(m, RSDT + 40, 0, 4);
    begin_table(m, RSDT, "RSDT", 44);
    KG_CHECK_TEXT(t, find_dsdt_problem(m), "the ACPI tables have no usable MADT");
}
