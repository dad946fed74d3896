/* Initializes the floating-point state like Linux: FCW 0x37F, MXCSR 0x1F80 (round to nearest, all exceptions masked,
 * no flush to zero), then the XCR0 bits that this CPU supports. core/x86/cpu.c later decides by XGETBV which features
 * are usable. */
#include "fpu.h"

#include "io.h"

#define CR0_MP (1ull << 1)
#define CR0_EM (1ull << 2)
#define CR0_TS (1ull << 3)
#define CR0_NE (1ull << 5)
#define CR4_MCE (1ull << 6)
#define CR4_PGE (1ull << 7)
#define CR4_OSFXSR (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_OSXSAVE (1ull << 18)

#define CPUID1_ECX_XSAVE (1u << 26)
#define CPUID1_ECX_AVX (1u << 28)
#define CPUID1_EDX_MCE (1u << 7)
#define CPUID7_EBX_AVX512F (1u << 16)

#define XCR0_X87_SSE 0x3ull
#define XCR0_AVX 0x4ull
#define XCR0_AVX512 0xE0ull

static void enable_xcr0(uint32_t cpuid1_ecx)
{
    uint32_t leaf7[4] = {0}, leaf_d[4], max[4];
    kg_cpuid(0, 0, max);
    if (max[0] < 0xD) {
        return;
    }
    if (max[0] >= 7) {
        kg_cpuid(7, 0, leaf7);
    }
    kg_cpuid(0xD, 0, leaf_d);
    uint64_t supported = (uint64_t)leaf_d[3] << 32 | leaf_d[0], wanted = XCR0_X87_SSE;
    if ((cpuid1_ecx & CPUID1_ECX_AVX) && (supported & XCR0_AVX)) {
        wanted |= XCR0_AVX;
        if ((leaf7[1] & CPUID7_EBX_AVX512F) && (supported & XCR0_AVX512) == XCR0_AVX512) {
            wanted |= XCR0_AVX512;
        }
    }
    kg_xsetbv(0, wanted);
}

void kg_fpu_enable(void)
{
    static const uint32_t mxcsr = 0x1F80;
    uint32_t leaf1[4];
    kg_cpuid(1, 0, leaf1);
    kg_write_cr0((kg_read_cr0() & ~(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE);
    uint64_t cr4 = kg_read_cr4() | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    if (leaf1[3] & CPUID1_EDX_MCE) {
        cr4 |= CR4_MCE;
    }
    if (leaf1[2] & CPUID1_ECX_XSAVE) {
        cr4 |= CR4_OSXSAVE;
    }
    kg_write_cr4(cr4);
    if (leaf1[2] & CPUID1_ECX_XSAVE) {
        enable_xcr0(leaf1[2]);
    }
    __asm__ volatile("fninit");
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
}
