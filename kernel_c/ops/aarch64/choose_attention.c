/* Chooses the table for a processor. */
#include "kgpt/cpu.h"
#include "ops/attention/versions.h"

static const struct kg_attention_ops neon = {
    .store = {kg_kv_store_f16_neon, kg_kv_store_q8_neon, kg_kv_store_f32_ref},
    .load = {kg_kv_load_f16_neon, kg_kv_load_q8_neon, kg_kv_load_f32_ref},
    .scores = kg_scores_128,
    .largest = kg_largest_128,
    .powers = kg_powers_128,
    .divide = kg_divide_128,
    .add_values = kg_add_values_128,
};

const struct kg_attention_ops *kg_attention_choose(uint32_t features, enum kg_isa allowed)
{
    const bool is_emulated = allowed == KG_ISA_ALL && kg_cpu_is_emulated(features);
    const uint32_t usable = is_emulated ? 0 : features & kg_isa_features(allowed);
    return usable & KG_CPU_NEON ? &neon : &kg_attention_128;
}
