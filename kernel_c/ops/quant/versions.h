/* The functions for the table of kgpt/quant.h. */
#ifndef KGPT_OPS_QUANT_VERSIONS_H
#define KGPT_OPS_QUANT_VERSIONS_H

#include "kgpt/quant.h"

enum kg_quant_version {
    KG_QUANT_REF,
    KG_QUANT_SWAR,
    KG_QUANT_AVX2,
};
#define KG_N_QUANT_VERSIONS 3

/* Fills the table with the functions of a version, and with baseline functions where the version has none. Returns
 * false if the processor lacks a needed feature. */
bool kg_quant_use(struct kg_quant_ops *ops, enum kg_quant_version version, uint32_t features);

void kg_act_f32_ref(void *out, const float *x, uint32_t columns);
void kg_act_q8_ref(void *out, const float *x, uint32_t columns);
void kg_act_q8k_ref(void *out, const float *x, uint32_t columns);

kg_rows_fn kg_rows_float_ref, kg_rows_q8_ref, kg_rows_q8k_ref;
float kg_dot_f16_ref(const uint16_t *a, const float *b, size_t n);
void kg_add_scaled_f16_ref(float *y, const uint16_t *a, float s, size_t n);

void kg_act_q8_swar(void *out, const float *x, uint32_t columns);
float kg_dot_f16_sse2(const uint16_t *a, const float *b, size_t n);
void kg_add_scaled_f16_sse2(float *y, const uint16_t *a, float s, size_t n);
void kg_act_q8k_swar(void *out, const float *x, uint32_t columns);
kg_rows_fn kg_rows_q4_0_swar, kg_rows_q4_1_swar, kg_rows_q5_0_swar, kg_rows_q5_1_swar, kg_rows_q8_0_swar;
kg_rows_fn kg_rows_q2_k_swar, kg_rows_q3_k_swar, kg_rows_q4_k_swar, kg_rows_q5_k_swar, kg_rows_q6_k_swar;
kg_rows_fn kg_rows_iq4_nl_swar, kg_rows_iq4_xs_swar, kg_rows_mxfp4_swar;

void kg_act_q8_avx2(void *out, const float *x, uint32_t columns);
void kg_act_q8k_avx2(void *out, const float *x, uint32_t columns);
float kg_dot_f16_avx2(const uint16_t *a, const float *b, size_t n);
void kg_add_scaled_f16_avx2(float *y, const uint16_t *a, float s, size_t n);
kg_rows_fn kg_rows_f32_avx2, kg_rows_f16_avx2, kg_rows_bf16_avx2;
kg_rows_fn kg_rows_q4_0_avx2, kg_rows_q4_1_avx2, kg_rows_q5_0_avx2, kg_rows_q5_1_avx2, kg_rows_q8_0_avx2;
kg_rows_fn kg_rows_q2_k_avx2, kg_rows_q3_k_avx2, kg_rows_q4_k_avx2, kg_rows_q5_k_avx2, kg_rows_q6_k_avx2;
kg_rows_fn kg_rows_iq4_nl_avx2, kg_rows_iq4_xs_avx2, kg_rows_mxfp4_avx2;

#endif
