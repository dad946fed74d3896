/* The slots of products by NEON: which functions there are for which processors. */
#include "kgpt/cpu.h"
#include "ops/quant/versions.h"

kg_rows_fn kg_rows_f32_neon, kg_rows_f16_neon, kg_rows_bf16_neon, kg_rows_q4_0_neon, kg_rows_q4_1_neon,
    kg_rows_q5_0_neon, kg_rows_q5_1_neon, kg_rows_q8_0_neon, kg_rows_iq4_nl_neon, kg_rows_mxfp4_neon, kg_rows_q2_k_neon,
    kg_rows_q3_k_neon, kg_rows_q4_k_neon, kg_rows_q5_k_neon, kg_rows_q6_k_neon, kg_rows_iq4_xs_neon;
kg_act_fn kg_act_q8_neon, kg_act_q8k_neon;

static const struct kg_quant_slot neon = {
    .name = "neon",
    .needs = KG_CPU_NEON,
    .rows =
        {
            [KG_TYPE_F32] = kg_rows_f32_neon,
            [KG_TYPE_F16] = kg_rows_f16_neon,
            [KG_TYPE_BF16] = kg_rows_bf16_neon,
            [KG_TYPE_Q4_0] = kg_rows_q4_0_neon,
            [KG_TYPE_Q4_1] = kg_rows_q4_1_neon,
            [KG_TYPE_Q5_0] = kg_rows_q5_0_neon,
            [KG_TYPE_Q5_1] = kg_rows_q5_1_neon,
            [KG_TYPE_Q8_0] = kg_rows_q8_0_neon,
            [KG_TYPE_IQ4_NL] = kg_rows_iq4_nl_neon,
            [KG_TYPE_MXFP4] = kg_rows_mxfp4_neon,
            [KG_TYPE_Q2_K] = kg_rows_q2_k_neon,
            [KG_TYPE_Q3_K] = kg_rows_q3_k_neon,
            [KG_TYPE_Q4_K] = kg_rows_q4_k_neon,
            [KG_TYPE_Q5_K] = kg_rows_q5_k_neon,
            [KG_TYPE_Q6_K] = kg_rows_q6_k_neon,
            [KG_TYPE_IQ4_XS] = kg_rows_iq4_xs_neon,
        },
    .act = {[KG_ACT_Q8] = kg_act_q8_neon, [KG_ACT_Q8K] = kg_act_q8k_neon},
};

kg_rows_fn kg_rows_q4_0_dotprod, kg_rows_q4_1_dotprod, kg_rows_q5_0_dotprod, kg_rows_q5_1_dotprod, kg_rows_q8_0_dotprod,
    kg_rows_iq4_nl_dotprod, kg_rows_mxfp4_dotprod, kg_rows_q2_k_dotprod, kg_rows_q3_k_dotprod, kg_rows_q4_k_dotprod,
    kg_rows_q5_k_dotprod, kg_rows_q6_k_dotprod, kg_rows_iq4_xs_dotprod;

static const struct kg_quant_slot dotprod = {
    .name = "dotprod",
    .needs = KG_CPU_NEON | KG_CPU_DOTPROD,
    .rows =
        {
            [KG_TYPE_Q4_0] = kg_rows_q4_0_dotprod,
            [KG_TYPE_Q4_1] = kg_rows_q4_1_dotprod,
            [KG_TYPE_Q5_0] = kg_rows_q5_0_dotprod,
            [KG_TYPE_Q5_1] = kg_rows_q5_1_dotprod,
            [KG_TYPE_Q8_0] = kg_rows_q8_0_dotprod,
            [KG_TYPE_IQ4_NL] = kg_rows_iq4_nl_dotprod,
            [KG_TYPE_MXFP4] = kg_rows_mxfp4_dotprod,
            [KG_TYPE_Q2_K] = kg_rows_q2_k_dotprod,
            [KG_TYPE_Q3_K] = kg_rows_q3_k_dotprod,
            [KG_TYPE_Q4_K] = kg_rows_q4_k_dotprod,
            [KG_TYPE_Q5_K] = kg_rows_q5_k_dotprod,
            [KG_TYPE_Q6_K] = kg_rows_q6_k_dotprod,
            [KG_TYPE_IQ4_XS] = kg_rows_iq4_xs_dotprod,
        },
};

kg_rows_fn kg_rows_q4_0_i8mm, kg_rows_q4_1_i8mm, kg_rows_q5_0_i8mm, kg_rows_q5_1_i8mm, kg_rows_q8_0_i8mm,
    kg_rows_iq4_nl_i8mm, kg_rows_mxfp4_i8mm, kg_rows_q2_k_i8mm, kg_rows_q3_k_i8mm, kg_rows_q4_k_i8mm, kg_rows_q5_k_i8mm,
    kg_rows_q6_k_i8mm, kg_rows_iq4_xs_i8mm;

static const struct kg_quant_slot i8mm = {
    .name = "i8mm",
    .needs = KG_CPU_NEON | KG_CPU_DOTPROD | KG_CPU_I8MM,
    .rows =
        {
            [KG_TYPE_Q4_0] = kg_rows_q4_0_i8mm,
            [KG_TYPE_Q4_1] = kg_rows_q4_1_i8mm,
            [KG_TYPE_Q5_0] = kg_rows_q5_0_i8mm,
            [KG_TYPE_Q5_1] = kg_rows_q5_1_i8mm,
            [KG_TYPE_Q8_0] = kg_rows_q8_0_i8mm,
            [KG_TYPE_IQ4_NL] = kg_rows_iq4_nl_i8mm,
            [KG_TYPE_MXFP4] = kg_rows_mxfp4_i8mm,
            [KG_TYPE_Q2_K] = kg_rows_q2_k_i8mm,
            [KG_TYPE_Q3_K] = kg_rows_q3_k_i8mm,
            [KG_TYPE_Q4_K] = kg_rows_q4_k_i8mm,
            [KG_TYPE_Q5_K] = kg_rows_q5_k_i8mm,
            [KG_TYPE_Q6_K] = kg_rows_q6_k_i8mm,
            [KG_TYPE_IQ4_XS] = kg_rows_iq4_xs_i8mm,
        },
};

const struct kg_quant_slot *const kg_quant_slots[] = {
    &kg_quant_slot_c, &kg_quant_slot_swar, &neon, &dotprod, &i8mm, NULL};
