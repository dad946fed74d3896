/* What the processor can do: see kgpt/cpu.h. */
#include "kgpt/cpu.h"

#include <stdbool.h>

#include "kgpt/mem.h"

#define XCR0_SSE_AVX 0x06u /* XMM and the upper halves of YMM are saved and restored: AVX may be used */
#define XCR0_AVX512 0xE6u  /* and the mask registers and ZMM */

struct registers {
    uint32_t a, b, c, d;
};

/* Where CPUID says it, and which XCR0 bits must be set for it to be usable. */
struct feature_bit {
    uint32_t feature; /* enum kg_cpu_feature */
    uint32_t leaf;
    uint8_t reg; /* 1 b, 2 c, 3 d */
    uint8_t bit;
    uint8_t xcr0;
};

const char *const kg_cpu_feature_names[KG_CPU_N_FEATURES] = {
    "sse2",     "sse3",       "ssse3",  "sse4_1", "sse4_2",        "popcnt",     "xsave",
    "avx",      "f16c",       "fma",    "avx2",   "avx512f",       "avx512bw",   "avx512dq",
    "avx512vl", "avx512vnni", "rdrand", "rdseed", "invariant_tsc", "hypervisor",
};

static const struct feature_bit feature_bits[] = {
    {KG_CPU_SSE2, 1, 3, 26, 0},
    {KG_CPU_SSE3, 1, 2, 0, 0},
    {KG_CPU_SSSE3, 1, 2, 9, 0},
    {KG_CPU_SSE4_1, 1, 2, 19, 0},
    {KG_CPU_SSE4_2, 1, 2, 20, 0},
    {KG_CPU_POPCNT, 1, 2, 23, 0},
    {KG_CPU_XSAVE, 1, 2, 27, 0}, /* OSXSAVE: not only there, but switched on */
    {KG_CPU_AVX, 1, 2, 28, XCR0_SSE_AVX},
    {KG_CPU_F16C, 1, 2, 29, XCR0_SSE_AVX},
    {KG_CPU_FMA, 1, 2, 12, XCR0_SSE_AVX},
    {KG_CPU_AVX2, 7, 1, 5, XCR0_SSE_AVX},
    {KG_CPU_AVX512F, 7, 1, 16, XCR0_AVX512},
    {KG_CPU_AVX512BW, 7, 1, 30, XCR0_AVX512},
    {KG_CPU_AVX512DQ, 7, 1, 17, XCR0_AVX512},
    {KG_CPU_AVX512VL, 7, 1, 31, XCR0_AVX512},
    {KG_CPU_AVX512VNNI, 7, 2, 11, XCR0_AVX512},
    {KG_CPU_RDRAND, 1, 2, 30, 0},
    {KG_CPU_RDSEED, 7, 1, 18, 0},
    {KG_CPU_INVARIANT_TSC, 0x80000007, 3, 8, 0},
    {KG_CPU_HYPERVISOR, 1, 2, 31, 0},
};

static struct registers cpuid(uint32_t leaf)
{
    struct registers r;
    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(0));
    return r;
}

static bool has_leaf(uint32_t leaf)
{
    return cpuid(leaf & 0x80000000u).a >= leaf;
}

static uint64_t read_xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool has_feature(const struct feature_bit *f, uint64_t xcr0)
{
    if (!has_leaf(f->leaf) || (xcr0 & f->xcr0) != f->xcr0) {
        return false;
    }
    struct registers r = cpuid(f->leaf);
    uint32_t value = f->reg == 1 ? r.b : f->reg == 2 ? r.c : r.d;
    return value >> f->bit & 1;
}

static void detect_names(struct kg_cpu *cpu)
{
    struct registers r = cpuid(0);
    memcpy(cpu->vendor, &r.b, 4);
    memcpy(cpu->vendor + 4, &r.d, 4);
    memcpy(cpu->vendor + 8, &r.c, 4);
    if (!has_leaf(0x80000004)) {
        return;
    }
    for (uint32_t i = 0; i < 3; i++) {
        r = cpuid(0x80000002 + i);
        memcpy(cpu->brand + 16 * i, &r, sizeof r);
    }
    size_t skip = 0, end = 48; /* some brands are padded with spaces on either side */
    while (cpu->brand[skip] == ' ') {
        skip++;
    }
    memmove(cpu->brand, cpu->brand + skip, sizeof cpu->brand - skip);
    while (end > 0 && (cpu->brand[end - 1] == ' ' || cpu->brand[end - 1] == '\0')) {
        cpu->brand[--end] = '\0';
    }
}

static void detect_signature(struct kg_cpu *cpu)
{
    uint32_t signature = cpuid(1).a;
    cpu->stepping = signature & 15;
    cpu->model = signature >> 4 & 15;
    cpu->family = signature >> 8 & 15;
    if (cpu->family == 6 || cpu->family == 15) {
        cpu->model |= (signature >> 16 & 15) << 4;
    }
    if (cpu->family == 15) {
        cpu->family += signature >> 20 & 255;
    }
}

void kg_cpu_detect(struct kg_cpu *cpu)
{
    memset(cpu, 0, sizeof *cpu);
    detect_names(cpu);
    detect_signature(cpu);
    bool xsave_on = cpuid(1).c >> 27 & 1;
    cpu->xcr0 = xsave_on ? read_xcr0() : 0;
    for (size_t i = 0; i < sizeof feature_bits / sizeof feature_bits[0]; i++) {
        if (has_feature(&feature_bits[i], cpu->xcr0)) {
            cpu->features |= feature_bits[i].feature;
        }
    }
}
