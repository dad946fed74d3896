/* The slots of products that every architecture has: see kg_quant_slots. docs/inference.md says why a type has no
 * function in a slot. */
#include "versions.h"

const struct kg_quant_slot kg_quant_slot_c = {
    .name = "c",
    .rows =
        {
            [KG_TYPE_F32] = kg_rows_float_ref,
            [KG_TYPE_F16] = kg_rows_float_ref,
            [KG_TYPE_BF16] = kg_rows_float_ref,
            [KG_TYPE_Q4_0] = kg_rows_q8_ref,
            [KG_TYPE_Q4_1] = kg_rows_q8_ref,
            [KG_TYPE_Q5_0] = kg_rows_q8_ref,
            [KG_TYPE_Q5_1] = kg_rows_q8_ref,
            [KG_TYPE_Q8_0] = kg_rows_q8_ref,
            [KG_TYPE_Q2_K] = kg_rows_q8k_ref,
            [KG_TYPE_Q3_K] = kg_rows_q8k_ref,
            [KG_TYPE_Q4_K] = kg_rows_q8k_ref,
            [KG_TYPE_Q5_K] = kg_rows_q8k_ref,
            [KG_TYPE_Q6_K] = kg_rows_q8k_ref,
            [KG_TYPE_IQ4_NL] = kg_rows_q8_ref,
            [KG_TYPE_IQ4_XS] = kg_rows_q8k_ref,
            [KG_TYPE_MXFP4] = kg_rows_q8_ref,
        },
    .act = {[KG_ACT_F32] = kg_act_f32_ref, [KG_ACT_Q8] = kg_act_q8_ref, [KG_ACT_Q8K] = kg_act_q8k_ref},
};

const struct kg_quant_slot kg_quant_slot_swar = {
    .name = "swar",
    .rows =
        {
            [KG_TYPE_Q4_0] = kg_rows_q4_0_swar,
            [KG_TYPE_Q4_1] = kg_rows_q4_1_swar,
            [KG_TYPE_Q5_0] = kg_rows_q5_0_swar,
            [KG_TYPE_Q5_1] = kg_rows_q5_1_swar,
            [KG_TYPE_Q8_0] = kg_rows_q8_0_swar,
            [KG_TYPE_Q2_K] = kg_rows_q2_k_swar,
            [KG_TYPE_Q3_K] = kg_rows_q3_k_swar,
            [KG_TYPE_Q4_K] = kg_rows_q4_k_swar,
            [KG_TYPE_Q5_K] = kg_rows_q5_k_swar,
            [KG_TYPE_Q6_K] = kg_rows_q6_k_swar,
            [KG_TYPE_IQ4_NL] = kg_rows_iq4_nl_swar,
            [KG_TYPE_IQ4_XS] = kg_rows_iq4_xs_swar,
            [KG_TYPE_MXFP4] = kg_rows_mxfp4_swar,
        },
    .act = {[KG_ACT_Q8] = kg_act_q8_swar, [KG_ACT_Q8K] = kg_act_q8k_swar},
};
