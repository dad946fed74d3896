/* The slots of products by x86's instruction sets: which functions there are for which processors. */
#include "kgpt/cpu.h"
#include "ops/quant/versions.h"

#define AVX2 (KG_CPU_AVX2 | KG_CPU_F16C)
#define AVX512 (AVX2 | KG_CPU_AVX512F | KG_CPU_AVX512BW | KG_CPU_AVX512DQ | KG_CPU_AVX512VL)

static const struct kg_quant_slot avx2 = {
    .name = "avx2",
    .needs = AVX2,
    .rows =
        {
            [KG_TYPE_F32] = kg_rows_f32_avx2,
            [KG_TYPE_F16] = kg_rows_f16_avx2,
            [KG_TYPE_BF16] = kg_rows_bf16_avx2,
            [KG_TYPE_Q4_0] = kg_rows_q4_0_avx2,
            [KG_TYPE_Q4_1] = kg_rows_q4_1_avx2,
            [KG_TYPE_Q5_0] = kg_rows_q5_0_avx2,
            [KG_TYPE_Q5_1] = kg_rows_q5_1_avx2,
            [KG_TYPE_Q8_0] = kg_rows_q8_0_avx2,
            [KG_TYPE_Q2_K] = kg_rows_q2_k_avx2,
            [KG_TYPE_Q3_K] = kg_rows_q3_k_avx2,
            [KG_TYPE_Q4_K] = kg_rows_q4_k_avx2,
            [KG_TYPE_Q5_K] = kg_rows_q5_k_avx2,
            [KG_TYPE_Q6_K] = kg_rows_q6_k_avx2,
            [KG_TYPE_IQ4_NL] = kg_rows_iq4_nl_avx2,
            [KG_TYPE_IQ4_XS] = kg_rows_iq4_xs_avx2,
            [KG_TYPE_MXFP4] = kg_rows_mxfp4_avx2,
        },
    .act = {[KG_ACT_Q8] = kg_act_q8_avx2, [KG_ACT_Q8K] = kg_act_q8k_avx2},
};

static const struct kg_quant_slot avxvnni = {
    .name = "avxvnni",
    .needs = AVX2 | KG_CPU_AVXVNNI,
    .rows =
        {
            [KG_TYPE_Q4_0] = kg_rows_q4_0_avxvnni,
            [KG_TYPE_Q4_1] = kg_rows_q4_1_avxvnni,
            [KG_TYPE_Q5_0] = kg_rows_q5_0_avxvnni,
            [KG_TYPE_Q5_1] = kg_rows_q5_1_avxvnni,
            [KG_TYPE_Q8_0] = kg_rows_q8_0_avxvnni,
            [KG_TYPE_IQ4_NL] = kg_rows_iq4_nl_avxvnni,
            [KG_TYPE_MXFP4] = kg_rows_mxfp4_avxvnni,
        },
};

static const struct kg_quant_slot avx512 = {
    .name = "avx512",
    .needs = AVX512,
    .rows =
        {
            [KG_TYPE_F32] = kg_rows_f32_avx512,
            [KG_TYPE_F16] = kg_rows_f16_avx512,
            [KG_TYPE_BF16] = kg_rows_bf16_avx512,
        },
};

static const struct kg_quant_slot avx512vnni = {
    .name = "avx512vnni",
    .needs = AVX512 | KG_CPU_AVX512VNNI,
    .rows =
        {
            [KG_TYPE_Q4_0] = kg_rows_q4_0_avx512vnni,
            [KG_TYPE_Q4_1] = kg_rows_q4_1_avx512vnni,
            [KG_TYPE_Q5_0] = kg_rows_q5_0_avx512vnni,
            [KG_TYPE_Q5_1] = kg_rows_q5_1_avx512vnni,
            [KG_TYPE_Q8_0] = kg_rows_q8_0_avx512vnni,
            [KG_TYPE_Q2_K] = kg_rows_q2_k_avx512vnni,
            [KG_TYPE_Q3_K] = kg_rows_q3_k_avx512vnni,
            [KG_TYPE_Q4_K] = kg_rows_q4_k_avx512vnni,
            [KG_TYPE_Q5_K] = kg_rows_q5_k_avx512vnni,
            [KG_TYPE_Q6_K] = kg_rows_q6_k_avx512vnni,
            [KG_TYPE_IQ4_NL] = kg_rows_iq4_nl_avx512vnni,
            [KG_TYPE_IQ4_XS] = kg_rows_iq4_xs_avx512vnni,
            [KG_TYPE_MXFP4] = kg_rows_mxfp4_avx512vnni,
        },
};

const struct kg_quant_slot *const kg_quant_slots[] = {&kg_quant_slot_c, &kg_quant_slot_swar, &avx2, &avxvnni,
                                                      &avx512,          &avx512vnni,         NULL};
