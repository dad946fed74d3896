/* The sets of features that cpumask= names. */
#include "kgpt/cpu.h"
#include "kgpt/ops.h"

uint32_t kg_isa_features(enum kg_isa allowed)
{
    const uint32_t avx2 = KG_CPU_AVX | KG_CPU_AVX2 | KG_CPU_F16C | KG_CPU_FMA;
    const uint32_t avx512 = avx2 | KG_CPU_AVX512F | KG_CPU_AVX512BW | KG_CPU_AVX512DQ | KG_CPU_AVX512VL;
    switch (allowed) {
    case KG_ISA_C: return 0;
    case KG_ISA_AVX2: return avx2;
    case KG_ISA_AVX512: return avx512;
    case KG_ISA_AVXVNNI: return avx2 | KG_CPU_AVXVNNI;
    case KG_ISA_NEON:
    case KG_ISA_DOTPROD:
    case KG_ISA_I8MM: return 0;
    default: return ~0u;
    }
}
