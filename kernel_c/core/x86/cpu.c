/* CPU feature detection: see kgpt/cpu.h. */
#include "kgpt/cpu.h"

#include <stdbool.h>

#include "kgpt/mem.h"
#include "kgpt/sha256.h"

#define XCR0_SSE_AVX 0x06u /* the OS saves XMM and YMM: AVX is usable */
#define XCR0_AVX512 0xE6u  /* … and mask registers and ZMM */

struct registers {
    uint32_t a, b, c, d;
};

/* CPUID leaves with feature bits. Each is read once, because CPUID causes a VM exit. */
enum leaf {
    LEAF_BASIC,    /* 1 */
    LEAF_EXTENDED, /* 7, subleaf 0 */
    LEAF_POWER,    /* 0x80000007 */
    LEAF_FURTHER,  /* 7, subleaf 1 */
    N_LEAVES,
};
static const uint32_t leaf_numbers[] = {1, 7, 0x80000007};

/* The CPUID bit of a feature, and the XCR0 bits that must be set for its use. */
struct feature_bit {
    uint32_t feature; /* enum kg_cpu_feature */
    uint8_t leaf;
    char reg;
    uint8_t bit;
    uint8_t xcr0;
};

const char *const kg_cpu_feature_names[KG_CPU_N_FEATURES] = {
    "sse2",   "sse3",   "ssse3",         "sse4_1",     "sse4_2",   "popcnt",   "xsave",      "avx",
    "f16c",   "fma",    "avx2",          "avx512f",    "avx512bw", "avx512dq", "avx512vl",   "avx512vnni",
    "rdrand", "rdseed", "invariant_tsc", "hypervisor", "sha",      "avxvnni",  "avx512vbmi", "pclmulqdq",
};

static const struct feature_bit feature_bits[] = {
    {KG_CPU_SSE2, LEAF_BASIC, 'd', 26, 0},
    {KG_CPU_SSE3, LEAF_BASIC, 'c', 0, 0},
    {KG_CPU_SSSE3, LEAF_BASIC, 'c', 9, 0},
    {KG_CPU_SSE4_1, LEAF_BASIC, 'c', 19, 0},
    {KG_CPU_SSE4_2, LEAF_BASIC, 'c', 20, 0},
    {KG_CPU_POPCNT, LEAF_BASIC, 'c', 23, 0},
    {KG_CPU_XSAVE, LEAF_BASIC, 'c', 27, 0}, /* OSXSAVE: XSAVE exists and is enabled */
    {KG_CPU_AVX, LEAF_BASIC, 'c', 28, XCR0_SSE_AVX},
    {KG_CPU_F16C, LEAF_BASIC, 'c', 29, XCR0_SSE_AVX},
    {KG_CPU_FMA, LEAF_BASIC, 'c', 12, XCR0_SSE_AVX},
    {KG_CPU_AVX2, LEAF_EXTENDED, 'b', 5, XCR0_SSE_AVX},
    {KG_CPU_AVX512F, LEAF_EXTENDED, 'b', 16, XCR0_AVX512},
    {KG_CPU_AVX512BW, LEAF_EXTENDED, 'b', 30, XCR0_AVX512},
    {KG_CPU_AVX512DQ, LEAF_EXTENDED, 'b', 17, XCR0_AVX512},
    {KG_CPU_AVX512VL, LEAF_EXTENDED, 'b', 31, XCR0_AVX512},
    {KG_CPU_AVX512VNNI, LEAF_EXTENDED, 'c', 11, XCR0_AVX512},
    {KG_CPU_RDRAND, LEAF_BASIC, 'c', 30, 0},
    {KG_CPU_RDSEED, LEAF_EXTENDED, 'b', 18, 0},
    {KG_CPU_INVARIANT_TSC, LEAF_POWER, 'd', 8, 0},
    {KG_CPU_HYPERVISOR, LEAF_BASIC, 'c', 31, 0},
    {KG_CPU_SHA, LEAF_EXTENDED, 'b', 29, 0},
    {KG_CPU_AVXVNNI, LEAF_FURTHER, 'a', 4, XCR0_SSE_AVX},
    {KG_CPU_AVX512VBMI, LEAF_EXTENDED, 'c', 1, XCR0_AVX512},
    {KG_CPU_PCLMUL, LEAF_BASIC, 'c', 1, 0},
};

static struct registers read_cpuid_subleaf(uint32_t leaf, uint32_t subleaf)
{
    struct registers r;
    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(subleaf));
    return r;
}

static struct registers read_cpuid(uint32_t leaf)
{
    return read_cpuid_subleaf(leaf, 0);
}

static bool has_cpuid_leaf(uint32_t leaf)
{
    return read_cpuid(leaf & 0x80000000u).a >= leaf;
}

static uint64_t read_xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static void read_leaves(struct registers leaves[N_LEAVES])
{
    for (int i = 0; i < LEAF_FURTHER; i++) {
        leaves[i] = has_cpuid_leaf(leaf_numbers[i]) ? read_cpuid(leaf_numbers[i]) : (struct registers){0};
    }
    /* EAX of leaf 7 is the highest subleaf. */
    leaves[LEAF_FURTHER] = leaves[LEAF_EXTENDED].a >= 1 ? read_cpuid_subleaf(7, 1) : (struct registers){0};
}

static bool has_feature(const struct feature_bit *f, const struct registers leaves[N_LEAVES], uint64_t xcr0)
{
    const struct registers *r = &leaves[f->leaf];
    uint32_t value = f->reg == 'a' ? r->a : f->reg == 'b' ? r->b : f->reg == 'c' ? r->c : r->d;
    return (value >> f->bit & 1) && (xcr0 & f->xcr0) == f->xcr0;
}

static void detect_names(struct kg_cpu *cpu)
{
    struct registers r = read_cpuid(0);
    memcpy(cpu->vendor, &r.b, 4);
    memcpy(cpu->vendor + 4, &r.d, 4);
    memcpy(cpu->vendor + 8, &r.c, 4);
    if (!has_cpuid_leaf(0x80000004)) {
        return;
    }
    for (uint32_t i = 0; i < 3; i++) {
        r = read_cpuid(0x80000002 + i);
        memcpy(cpu->brand + 16 * i, &r, sizeof r);
    }
    size_t skip = 0, end = 48; /* some CPUs pad the brand with spaces at either end */
    while (cpu->brand[skip] == ' ') {
        skip++;
    }
    memmove(cpu->brand, cpu->brand + skip, sizeof cpu->brand - skip);
    while (end > 0 && (cpu->brand[end - 1] == ' ' || cpu->brand[end - 1] == '\0')) {
        cpu->brand[--end] = '\0';
    }
}

static void detect_signature(struct kg_cpu *cpu, uint32_t signature)
{
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
    struct registers leaves[N_LEAVES];
    memset(cpu, 0, sizeof *cpu);
    detect_names(cpu);
    read_leaves(leaves);
    detect_signature(cpu, leaves[LEAF_BASIC].a);
    bool xsave_on = leaves[LEAF_BASIC].c >> 27 & 1;
    cpu->xcr0 = xsave_on ? read_xcr0() : 0;
    for (size_t i = 0; i < sizeof feature_bits / sizeof feature_bits[0]; i++) {
        if (has_feature(&feature_bits[i], leaves, cpu->xcr0)) {
            cpu->features |= feature_bits[i].feature;
        }
    }
}

bool kg_cpu_is_emulated(uint32_t features)
{
    if (!(features & KG_CPU_HYPERVISOR)) {
        return false;
    }
    uint32_t name[4] = {0x40000000};
    __asm__ volatile("cpuid" : "+a"(name[0]), "=b"(name[1]), "+c"(name[2]), "=d"(name[3]));
    return memcmp(name + 1, "TCGTCGTCGTCG", 12) == 0;
}

bool kg_sha256_has_instructions(uint32_t features)
{
    const uint32_t needs = KG_CPU_SHA | KG_CPU_SSSE3 | KG_CPU_SSE4_1;
    return (features & needs) == needs;
}
