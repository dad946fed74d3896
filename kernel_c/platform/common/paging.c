#include "paging.h"

#include "memory.h"
#include "processor.h"
#include "translation.h"

#define ADDRESS_MASK 0x0000FFFFFFFFF000ull
#define LARGE_PAGE 0x200000ull

extern char kg_text_start[], kg_text_end[], kg_rodata_start[], kg_rodata_end[], kg_data_start[], kg_data_end[];
extern char kg_model_start[], kg_stack_guard[], kg_ist_guard[];

static uint64_t *root;

#define SIZE_BITS (kg_entry_bits.large | kg_entry_bits.small)

/* Of an entry of level 1. */
static bool is_large(uint64_t entry)
{
    return (entry & (SIZE_BITS | KG_ENTRY_MAPPED)) == (kg_entry_bits.large | KG_ENTRY_MAPPED);
}

/* The table that `entry`, of this level, points to. Creates a missing table, and splits a large page. */
static uint64_t *descend_table(uint64_t *entry, unsigned level)
{
    bool large = level == 1 && is_large(*entry);
    if ((*entry & KG_ENTRY_MAPPED) && !large) {
        return (uint64_t *)(*entry & ADDRESS_MASK);
    }
    uint64_t *table = kg_memory_page();
    if (!table) {
        return NULL;
    }
    for (unsigned i = 0; large && i < 512; i++) {
        table[i] = ((*entry & ~SIZE_BITS) | kg_entry_bits.small) + i * KG_PAGE;
    }
    kg_entry_set(entry, (uintptr_t)table | kg_entry_bits.table); /* the last level holds the permissions */
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
        table = descend_table(&table[index_at(address, at)], at);
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
        if (!(entry & KG_ENTRY_MAPPED) || level == 0 || (level == 1 && is_large(entry))) {
            return entry & KG_ENTRY_MAPPED;
        }
        table = (const uint64_t *)(entry & ADDRESS_MASK);
    }
}

static uint64_t page_entry(uint64_t address, enum kg_access access, bool large)
{
    uint64_t bits = kg_entry_bits.access[access];
    return bits ? address | bits | (large ? kg_entry_bits.large : kg_entry_bits.small) : 0;
}

/* Uses large pages where possible: with 4 KiB pages the weights of a language model would need a TLB entry for every
 * 4,096 bytes. */
static bool map_range(uint64_t address, uint64_t end, enum kg_access access)
{
    uint64_t step;
    for (; address < end; address += step) {
        bool large = address % LARGE_PAGE == 0 && end - address >= LARGE_PAGE;
        uint64_t *entry = entry_of(address, large);
        if (!entry) {
            return false;
        }
        kg_entry_set(entry, page_entry(address, access, large));
        step = large ? LARGE_PAGE : KG_PAGE;
    }
    return true;
}

static bool protect_range(const char *from, const char *to, enum kg_access access)
{
    return map_range((uintptr_t)from, (uintptr_t)to, access);
}

bool kg_paging_begin(void)
{
    root = kg_memory_page();
    return root;
}

bool kg_paging_memory(uint64_t from, uint64_t to)
{
    return map_range(from, to, KG_ACCESS_MEMORY);
}

bool kg_paging_protect(void)
{
    bool good = protect_range(kg_text_start, kg_text_end, KG_ACCESS_CODE) &&
                protect_range(kg_rodata_start, kg_rodata_end, KG_ACCESS_CONSTANT) &&
                protect_range(kg_data_start, kg_data_end, KG_ACCESS_MEMORY) &&
                protect_range(kg_model_start, (const char *)kg_memory_image_end(), KG_ACCESS_CONSTANT) &&
                protect_range((const char *)0, (const char *)KG_PAGE, KG_ACCESS_NONE) &&
                protect_range(kg_stack_guard, kg_stack_guard + KG_PAGE, KG_ACCESS_NONE) &&
                protect_range(kg_ist_guard, kg_ist_guard + KG_PAGE, KG_ACCESS_NONE);
    if (good) {
        kg_translation_use(root);
    }
    return good;
}

static bool set_page(uint64_t address, enum kg_access access)
{
    uint64_t *entry = entry_of(address, 0);
    if (!entry) {
        return false;
    }
    kg_entry_set(entry, page_entry(address, access, false));
    kg_translation_changed(false);
    return true;
}

bool kg_paging_guard(uint64_t page)
{
    return set_page(page, KG_ACCESS_NONE);
}

bool kg_paging_code(uint64_t page)
{
    return set_page(page, KG_ACCESS_CODE);
}

bool kg_paging_device(uint64_t page)
{
    return page < kg_translation_end() && set_page(page, KG_ACCESS_REGISTERS);
}

bool kg_map_device(uint64_t base, uint64_t size, bool combining)
{
    uint64_t end = (base + size + KG_PAGE - 1) & ~(KG_PAGE - 1);
    if (end < base || end > kg_translation_end() ||
        !map_range(base & ~(KG_PAGE - 1), end, combining ? KG_ACCESS_COMBINING : KG_ACCESS_REGISTERS)) {
        return false;
    }
    kg_translation_changed(true);
    return true;
}

bool kg_paging_readable(uint64_t from, uint64_t size)
{
    uint64_t end = from + size;
    if (end < from || end > kg_translation_end()) {
        return false;
    }
    for (uint64_t page = from & ~(KG_PAGE - 1); page < end; page += KG_PAGE) {
        bool unmapped_on_purpose = page < KG_PAGE || (page >= (uintptr_t)kg_text_start && page < kg_memory_image_end());
        if (!is_mapped(page) && (unmapped_on_purpose || !set_page(page, KG_ACCESS_CONSTANT))) {
            return false;
        }
    }
    return true;
}
