#include "paging.h"

#include "io.h"
#include "platform/common/memory.h"
#include "platform/common/processor.h"

#define PRESENT (1ull << 0)
#define WRITE (1ull << 1)
#define PWT (1ull << 3)
#define UNCACHED (3ull << 3) /* PCD, PWT */
#define LARGE (1ull << 7)
#define NO_EXECUTE (1ull << 63)
#define ADDRESS_MASK 0x000FFFFFFFFFF000ull

#define LARGE_PAGE 0x200000ull

extern char kg_text_start[], kg_text_end[], kg_rodata_start[], kg_rodata_end[], kg_data_start[], kg_data_end[];
extern char kg_model_start[], kg_stack_guard[], kg_ist_guard[];

#define MSR_PAT 0x277
#define PAT_ENTRY1 0xFF00ull /* the entry that PWT alone selects */
#define PAT_ENTRY1_COMBINING 0x0100ull
#define CPUID1_EDX_PAT (1u << 16)

static uint64_t *root;

/* The table that `entry` points to. Creates a missing table, and splits a large page. */
static uint64_t *descend_table(uint64_t *entry)
{
    if ((*entry & PRESENT) && !(*entry & LARGE)) {
        return (uint64_t *)(*entry & ADDRESS_MASK);
    }
    uint64_t *table = kg_memory_page();
    if (!table) {
        return NULL;
    }
    if (*entry & LARGE) {
        uint64_t base = *entry & ADDRESS_MASK, flags = *entry & (NO_EXECUTE | UNCACHED | WRITE | PRESENT);
        for (unsigned i = 0; i < 512; i++) {
            table[i] = (base + i * KG_PAGE) | flags;
        }
    }
    *entry = (uintptr_t)table | PRESENT | WRITE; /* the last level holds the permissions */
    return table;
}

static unsigned index_at(uint64_t address, unsigned level)
{
    return address >> (12 + 9 * level) & 511;
}

/* The entry for `address` in the page directory (level 1) or page table (level 0). */
__attribute__((noinline)) static uint64_t *entry_of(uint64_t address, unsigned level)
{
    uint64_t *table = root;
    for (unsigned at = 3; at > level; at--) {
        table = descend_table(&table[index_at(address, at)]);
        if (!table) {
            return NULL;
        }
    }
    return &table[index_at(address, level)];
}

/* True if `address` is mapped. */
static bool is_mapped(uint64_t address)
{
    const uint64_t *table = root;
    for (unsigned level = 3;; level--) {
        uint64_t entry = table[index_at(address, level)];
        if (!(entry & PRESENT) || level == 0 || (entry & LARGE)) {
            return entry & PRESENT;
        }
        table = (const uint64_t *)(entry & ADDRESS_MASK);
    }
}

/* Uses large pages where possible: with 4 KiB pages the weights of a language model would need a TLB entry for every
 * 4,096 bytes. */
static bool map_range(uint64_t address, uint64_t end, uint64_t flags)
{
    uint64_t step;
    for (; address < end; address += step) {
        bool large = address % LARGE_PAGE == 0 && end - address >= LARGE_PAGE;
        uint64_t *entry = entry_of(address, large);
        if (!entry) {
            return false;
        }
        *entry = flags ? address | flags | (large ? LARGE : 0) : 0;
        step = large ? LARGE_PAGE : KG_PAGE;
    }
    return true;
}

static bool map_memory(uint64_t from, uint64_t to)
{
    return map_range(from & ~(LARGE_PAGE - 1), (to + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1), PRESENT | WRITE | NO_EXECUTE);
}

static bool protect_range(const char *from, const char *to, uint64_t flags)
{
    return map_range((uintptr_t)from, (uintptr_t)to, flags);
}

static bool has_pat(void)
{
    uint32_t r[4];
    kg_cpuid(1, 0, r);
    return r[3] & CPUID1_EDX_PAT;
}

/* PAT: entry 1 (PWT) is write-through after a reset, which the kernel does not use. */
void kg_paging_join(void)
{
    if (has_pat()) {
        kg_wrmsr(MSR_PAT, (kg_rdmsr(MSR_PAT) & ~PAT_ENTRY1) | PAT_ENTRY1_COMBINING);
    }
}

bool kg_paging_init(void)
{
    root = kg_memory_page();
    bool good = root && map_memory(0, KG_FOUR_GIB) && map_memory(KG_FOUR_GIB, kg_memory_highest()) &&
                protect_range(kg_text_start, kg_text_end, PRESENT) &&
                protect_range(kg_rodata_start, kg_rodata_end, PRESENT | NO_EXECUTE) &&
                protect_range(kg_data_start, kg_data_end, PRESENT | WRITE | NO_EXECUTE) &&
                protect_range(kg_model_start, (const char *)kg_memory_image_end(), PRESENT | NO_EXECUTE) &&
                protect_range((const char *)0, (const char *)KG_PAGE, 0) &&
                protect_range(kg_stack_guard, kg_stack_guard + KG_PAGE, 0) &&
                protect_range(kg_ist_guard, kg_ist_guard + KG_PAGE, 0);
    if (good) {
        kg_write_cr3((uintptr_t)root);
    }
    return good;
}

static bool set_page(uint64_t address, uint64_t flags)
{
    uint64_t *entry = entry_of(address, 0);
    if (!entry) {
        return false;
    }
    *entry = flags ? address | flags : 0;
    kg_write_cr3((uintptr_t)root); /* flush the TLB: the old entry, and entries of a large page */
    return true;
}

bool kg_paging_guard(uint64_t page)
{
    return set_page(page, 0);
}

bool kg_paging_code(uint64_t page)
{
    return set_page(page, PRESENT);
}

/* An address beyond the processor's physical address width would set reserved bits in an entry. */
static uint64_t physical_end(void)
{
    uint32_t r[4];
    kg_cpuid(0x80000000u, 0, r);
    if (r[0] < 0x80000008u) {
        return 1ull << 36;
    }
    kg_cpuid(0x80000008u, 0, r);
    unsigned bits = r[0] & 0xFF;
    return 1ull << (bits < 47 ? bits : 47); /* 47: the identity map ends where addresses become non-canonical */
}

bool kg_paging_device(uint64_t page)
{
    return page < physical_end() && set_page(page, PRESENT | WRITE | UNCACHED | NO_EXECUTE);
}

bool kg_map_device(uint64_t base, uint64_t size, bool combining)
{
    uint64_t end = (base + size + KG_PAGE - 1) & ~(KG_PAGE - 1), how = combining ? (has_pat() ? PWT : 0) : UNCACHED;
    if (end < base || end > physical_end() ||
        !map_range(base & ~(KG_PAGE - 1), end, PRESENT | WRITE | NO_EXECUTE | how)) {
        return false;
    }
    kg_write_cr3((uintptr_t)root);
    kg_wbinvd(); /* flush cache lines from when it was an ordinary page */
    return true;
}

bool kg_paging_readable(uint64_t from, uint64_t size)
{
    uint64_t end = from + size;
    if (end < from || end > physical_end()) {
        return false;
    }
    for (uint64_t page = from & ~(KG_PAGE - 1); page < end; page += KG_PAGE) {
        bool unmapped_on_purpose = page < KG_PAGE || (page >= (uintptr_t)kg_text_start && page < kg_memory_image_end());
        if (!is_mapped(page) && (unmapped_on_purpose || !set_page(page, PRESENT | NO_EXECUTE))) {
            return false;
        }
    }
    return true;
}
