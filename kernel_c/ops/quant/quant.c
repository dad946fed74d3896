/* Fills the table of functions: plain C first, then the best versions for the processor. */
#include "kgpt/quant.h"
#include "kgpt/cpu.h"
#include "versions.h"

static void use_ref(struct kg_quant_ops *ops)
{
    for (uint32_t type = 0; type < KG_N_TYPES; type++) {
        static kg_rows_fn *const rows[KG_N_ACTS] = {kg_rows_float_ref, kg_rows_q8_ref, kg_rows_q8k_ref};
        const struct kg_type_info *info = kg_type_info(type);
        ops->rows[type] = info ? rows[info->act] : NULL;
    }
    ops->act[KG_ACT_F32] = kg_act_f32_ref;
    ops->act[KG_ACT_Q8] = kg_act_q8_ref;
    ops->act[KG_ACT_Q8K] = kg_act_q8k_ref;
    ops->dot_f16 = kg_dot_f16_ref;
    ops->add_scaled_f16 = kg_add_scaled_f16_ref;
}

static void use_swar(struct kg_quant_ops *ops)
{
    ops->act[KG_ACT_Q8] = kg_act_q8_swar;
    ops->dot_f16 = kg_dot_f16_sse2;
    ops->add_scaled_f16 = kg_add_scaled_f16_sse2;
    ops->act[KG_ACT_Q8K] = kg_act_q8k_swar;
    ops->rows[KG_TYPE_Q4_0] = kg_rows_q4_0_swar;
    ops->rows[KG_TYPE_Q4_1] = kg_rows_q4_1_swar;
    ops->rows[KG_TYPE_Q5_0] = kg_rows_q5_0_swar;
    ops->rows[KG_TYPE_Q5_1] = kg_rows_q5_1_swar;
    ops->rows[KG_TYPE_Q8_0] = kg_rows_q8_0_swar;
    ops->rows[KG_TYPE_Q2_K] = kg_rows_q2_k_swar;
    ops->rows[KG_TYPE_Q3_K] = kg_rows_q3_k_swar;
    ops->rows[KG_TYPE_Q4_K] = kg_rows_q4_k_swar;
    ops->rows[KG_TYPE_Q5_K] = kg_rows_q5_k_swar;
    ops->rows[KG_TYPE_Q6_K] = kg_rows_q6_k_swar;
    ops->rows[KG_TYPE_IQ4_NL] = kg_rows_iq4_nl_swar;
    ops->rows[KG_TYPE_IQ4_XS] = kg_rows_iq4_xs_swar;
    ops->rows[KG_TYPE_MXFP4] = kg_rows_mxfp4_swar;
}

static void use_avx2(struct kg_quant_ops *ops)
{
    ops->isa = KG_ISA_AVX2;
    ops->act[KG_ACT_Q8] = kg_act_q8_avx2;
    ops->act[KG_ACT_Q8K] = kg_act_q8k_avx2;
    ops->dot_f16 = kg_dot_f16_avx2;
    ops->add_scaled_f16 = kg_add_scaled_f16_avx2;
    ops->rows[KG_TYPE_F32] = kg_rows_f32_avx2;
    ops->rows[KG_TYPE_F16] = kg_rows_f16_avx2;
    ops->rows[KG_TYPE_BF16] = kg_rows_bf16_avx2;
    ops->rows[KG_TYPE_Q4_0] = kg_rows_q4_0_avx2;
    ops->rows[KG_TYPE_Q4_1] = kg_rows_q4_1_avx2;
    ops->rows[KG_TYPE_Q5_0] = kg_rows_q5_0_avx2;
    ops->rows[KG_TYPE_Q5_1] = kg_rows_q5_1_avx2;
    ops->rows[KG_TYPE_Q8_0] = kg_rows_q8_0_avx2;
    ops->rows[KG_TYPE_Q2_K] = kg_rows_q2_k_avx2;
    ops->rows[KG_TYPE_Q3_K] = kg_rows_q3_k_avx2;
    ops->rows[KG_TYPE_Q4_K] = kg_rows_q4_k_avx2;
    ops->rows[KG_TYPE_Q5_K] = kg_rows_q5_k_avx2;
    ops->rows[KG_TYPE_Q6_K] = kg_rows_q6_k_avx2;
    ops->rows[KG_TYPE_IQ4_NL] = kg_rows_iq4_nl_avx2;
    ops->rows[KG_TYPE_IQ4_XS] = kg_rows_iq4_xs_avx2;
    ops->rows[KG_TYPE_MXFP4] = kg_rows_mxfp4_avx2;
}

bool kg_quant_use(struct kg_quant_ops *ops, enum kg_quant_version version, uint32_t features)
{
    const uint32_t avx2 = KG_CPU_AVX2 | KG_CPU_F16C;
    ops->isa = KG_ISA_C;
    use_ref(ops);
    if (version == KG_QUANT_SWAR) {
        use_swar(ops);
    }
    if (version == KG_QUANT_AVX2) {
        if ((features & avx2) != avx2) {
            return false;
        }
        use_avx2(ops);
    }
    return true;
}

void kg_quant_fill(struct kg_quant_ops *ops, const struct kg_ops *base, uint32_t features, enum kg_isa highest)
{
    *ops = (struct kg_quant_ops){.base = base};
    if (highest < KG_ISA_AVX2 || kg_cpu_is_emulated(features) || !kg_quant_use(ops, KG_QUANT_AVX2, features)) {
        kg_quant_use(ops, KG_QUANT_SWAR, features);
    }
}
