/* Copies MTRRs to the other processors: some firmware forgets one, and QEMU clears them at INIT. See mtrr.h. */
#include "mtrr.h"

#include "io.h"

#define MSR_CAPS 0xFE
#define MSR_VARIABLE 0x200 /* base and mask of the first range */
#define MSR_FIXED 0x250    /* fixed MTRRs among this and the following 31 numbers */
#define FIXED_ONES 0xFF000301u
#define MSR_DEFAULT 0x2FF
#define N_MSRS (MSR_DEFAULT + 1 - MSR_VARIABLE)

#define CAPS_VARIABLE 0xFFu
#define CAPS_FIXED 0x100u
#define DEFAULT_ENABLED 0x800u
#define CPUID1_EDX_MTRR (1u << 12)
#define CR0_CACHE_OFF (1ull << 30)
#define CR4_PGE (1ull << 7)

static uint64_t firsts[N_MSRS];

static bool is_mtrr(uint32_t msr, uint32_t caps)
{
    uint32_t fixed = msr - MSR_FIXED;
    return msr < MSR_VARIABLE + 2 * (caps & CAPS_VARIABLE) || msr == MSR_DEFAULT ||
           (fixed < 32 && (caps & CAPS_FIXED) && (FIXED_ONES >> fixed & 1));
}

/* Calls `use` for each existing MTRR, the one that enables them last. Returns false if a call did. */
static bool for_each(bool (*use)(uint32_t msr, uint64_t *first))
{
    uint32_t r[4];
    kg_cpuid(1, 0, r);
    if (!(r[3] & CPUID1_EDX_MTRR)) {
        return true;
    }
    uint32_t caps = (uint32_t)kg_rdmsr(MSR_CAPS);
    bool good = true;
    for (uint32_t i = 0; i < N_MSRS; i++) {
        if (is_mtrr(MSR_VARIABLE + i, caps)) {
            good = use(MSR_VARIABLE + i, &firsts[i]) && good;
        }
    }
    return good;
}

static bool read_mtrr(uint32_t msr, uint64_t *first)
{
    *first = kg_rdmsr(msr);
    return true;
}

static bool is_same(uint32_t msr, uint64_t *first)
{
    return kg_rdmsr(msr) == *first;
}

static bool write_mtrr(uint32_t msr, uint64_t *first)
{
    kg_wrmsr(msr, *first);
    return true;
}

/* The procedure of SDM 3A, 12.11.8: caches disabled, MTRRs disabled meanwhile. */
static void take_over(void)
{
    uint64_t cr0 = kg_read_cr0(), cr4 = kg_read_cr4();
    kg_write_cr0(cr0 | CR0_CACHE_OFF);
    kg_wbinvd();
    kg_write_cr4(cr4 & ~CR4_PGE);
    kg_write_cr3(kg_read_cr3());
    kg_wrmsr(MSR_DEFAULT, kg_rdmsr(MSR_DEFAULT) & ~(uint64_t)DEFAULT_ENABLED);
    for_each(write_mtrr);
    kg_write_cr3(kg_read_cr3());
    kg_wbinvd();
    kg_write_cr0(cr0);
    kg_write_cr4(cr4);
}

void kg_mtrr_init(void)
{
    for_each(read_mtrr);
}

bool kg_mtrr_join(void)
{
    if (!for_each(is_same)) {
        take_over();
    }
    return for_each(is_same);
}
