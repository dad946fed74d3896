/* Processor features. Detection reads XCR0, so every feature listed is enabled and can be used. */
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
};
#define KG_CPU_N_FEATURES 24

struct kg_cpu {
    char vendor[13];
    char brand[49];
    uint32_t family, model, stepping;
    uint32_t features; /* enum kg_cpu_feature */
    uint64_t xcr0;     /* as XGETBV returns it; 0 without XSAVE */
};

extern const char *const kg_cpu_feature_names[KG_CPU_N_FEATURES];

/* Fills `cpu` by CPUID and XGETBV. It changes no register: the platform sets CR4 and XCR0 before. Defined in
 * core/x86/cpu.c. */
void kg_cpu_detect(struct kg_cpu *cpu);

/* True under QEMU without hardware virtualization (TCG). There a vector or float instruction is a helper call, so
 * integer code is faster. */
bool kg_cpu_is_emulated(uint32_t features);

#endif
