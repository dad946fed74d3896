/* Processor features of all architectures. Every feature that detection finds is enabled and can be used: on x86 it
 * reads XCR0. */
#ifndef KGPT_CPU_H
#define KGPT_CPU_H

#include <stdbool.h>
#include <stdint.h>

/* Feature bits, in the order of kg_cpu_feature_names[]. */
enum kg_cpu_feature {
    KG_CPU_SSE2 = 1u << 0,
    KG_CPU_SSE3 = 1u << 1,
    KG_CPU_SSSE3 = 1u << 2,
    KG_CPU_SSE4_1 = 1u << 3,
    KG_CPU_SSE4_2 = 1u << 4,
    KG_CPU_POPCNT = 1u << 5,
    KG_CPU_XSAVE = 1u << 6,
    KG_CPU_AVX = 1u << 7,
    KG_CPU_F16C = 1u << 8,
    KG_CPU_FMA = 1u << 9,
    KG_CPU_AVX2 = 1u << 10,
    KG_CPU_AVX512F = 1u << 11,
    KG_CPU_AVX512BW = 1u << 12,
    KG_CPU_AVX512DQ = 1u << 13,
    KG_CPU_AVX512VL = 1u << 14,
    KG_CPU_AVX512VNNI = 1u << 15,
    KG_CPU_RDRAND = 1u << 16,
    KG_CPU_RDSEED = 1u << 17,
    KG_CPU_INVARIANT_TSC = 1u << 18,
    KG_CPU_HYPERVISOR = 1u << 19,
    KG_CPU_SHA = 1u << 20,
    KG_CPU_AVXVNNI = 1u << 21,
    KG_CPU_AVX512VBMI = 1u << 22,
    KG_CPU_PCLMUL = 1u << 23,
    /* aarch64 */
    KG_CPU_NEON = 1u << 24,
    KG_CPU_DOTPROD = 1u << 25,
    KG_CPU_I8MM = 1u << 26,
    KG_CPU_SHA2 = 1u << 27,
    KG_CPU_CRC32 = 1u << 28,
    KG_CPU_RNG = 1u << 29,
    KG_CPU_EMULATED = 1u << 30, /* by an emulator to which vectors and floats are function calls: it was measured */
};
#define KG_CPU_N_FEATURES 31

struct kg_cpu {
    char vendor[13];
    char brand[49];
    uint32_t family, model, stepping;
    uint32_t features; /* enum kg_cpu_feature */
    uint64_t xcr0;     /* x86: as XGETBV returns it; 0 without XSAVE */
};

/* By the bit's number, for the features of this architecture. */
extern const char *const kg_cpu_feature_names[KG_CPU_N_FEATURES];

/* Fills `cpu` by CPUID and XGETBV, or by the ID registers. It changes no register: the platform enables features
 * before. Defined in core/x86/cpu.c and core/aarch64/cpu.c. */
void kg_cpu_detect(struct kg_cpu *cpu);

/* True under QEMU without hardware virtualization (TCG). There a float instruction, and many a vector instruction, is a
 * helper call, so integer code is faster. */
bool kg_cpu_is_emulated(uint32_t features);

#endif
