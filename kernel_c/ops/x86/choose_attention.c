/* Chooses the table for a processor. */
#include "kgpt/cpu.h"
#include "ops/attention/versions.h"

const struct kg_attention_ops *kg_attention_choose(uint32_t features, enum kg_isa allowed)
{
    const uint32_t avx2 = KG_CPU_AVX2 | KG_CPU_F16C;
    const uint32_t avx512 = avx2 | KG_CPU_AVX512F | KG_CPU_AVX512BW | KG_CPU_AVX512DQ | KG_CPU_AVX512VL;
    const bool is_emulated = allowed == KG_ISA_ALL && kg_cpu_is_emulated(features);
    const uint32_t usable = is_emulated ? 0 : features & kg_isa_features(allowed);
    if ((usable & avx512) == avx512) {
        return &kg_attention_avx512;
    }
    return (usable & avx2) == avx2 ? &kg_attention_avx2 : &kg_attention_128;
}
