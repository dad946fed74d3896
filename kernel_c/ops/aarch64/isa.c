/* The sets of features that cpumask= names. */
#include "kgpt/cpu.h"
#include "kgpt/ops.h"

uint32_t kg_isa_features(enum kg_isa allowed)
{
    switch (allowed) {
    case KG_ISA_C:
    case KG_ISA_AVX2:
    case KG_ISA_AVX512:
    case KG_ISA_AVXVNNI:
    case KG_ISA_AVX512VNNI: return 0;
    case KG_ISA_NEON: return KG_CPU_NEON;
    case KG_ISA_DOTPROD: return KG_CPU_NEON | KG_CPU_DOTPROD;
    case KG_ISA_I8MM: return KG_CPU_NEON | KG_CPU_DOTPROD | KG_CPU_I8MM;
    default: return ~0u;
    }
}
