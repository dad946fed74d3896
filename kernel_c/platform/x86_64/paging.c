#include "paging.h"

#include "io.h"
#include "platform/common/memory.h"
#include "platform/common/translation.h"

#define PRESENT (1ull << 0)
#define WRITE (1ull << 1)
#define PWT (1ull << 3)
#define UNCACHED (3ull << 3) /* PCD, PWT */
#define LARGE (1ull << 7)
#define NO_EXECUTE (1ull << 63)

#define LARGE_PAGE 0x200000ull

#define MSR_PAT 0x277
#define PAT_ENTRY1 0xFF00ull /* the entry that PWT alone selects */
#define PAT_ENTRY1_COMBINING 0x0100ull
#define CPUID1_EDX_PAT (1u << 16)

#define DATA (PRESENT | WRITE | NO_EXECUTE)

struct kg_entry_bits kg_entry_bits = {
    .access = {0, PRESENT, PRESENT | NO_EXECUTE, DATA, DATA | UNCACHED, DATA},
    .large = LARGE,
    .table = PRESENT | WRITE,
};

/* PAT: entry 1 (PWT) is write-through after a reset, which the kernel does not use. */
void kg_paging_join(void)
{
    uint32_t r[4];
    kg_cpuid(1, 0, r);
    if (r[3] & CPUID1_EDX_PAT) {
        kg_wrmsr(MSR_PAT, (kg_rdmsr(MSR_PAT) & ~PAT_ENTRY1) | PAT_ENTRY1_COMBINING);
        kg_entry_bits.access[KG_ACCESS_COMBINING] = DATA | PWT;
    }
}

void kg_entry_set(uint64_t *entry, uint64_t value)
{
    *entry = value;
}

void kg_translation_use(const uint64_t *root)
{
    kg_write_cr3((uintptr_t)root);
}

/* Flushes the TLB: old entries, and entries of a large page; and cache lines from when it was an ordinary page. */
void kg_translation_changed(bool uncached)
{
    kg_write_cr3(kg_read_cr3());
    if (uncached) {
        kg_wbinvd();
    }
}

/* An address beyond the processor's physical address width would set reserved bits in an entry. */
uint64_t kg_translation_end(void)
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

bool kg_paging_init(void)
{
    uint64_t end = (kg_memory_highest() + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
    return kg_paging_begin() && kg_paging_memory(0, KG_FOUR_GIB) && kg_paging_memory(KG_FOUR_GIB, end) &&
           kg_paging_protect();
}
