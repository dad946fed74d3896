/* The functions for the tables of kgpt/attention.h. */
#ifndef KGPT_OPS_ATTENTION_VERSIONS_H
#define KGPT_OPS_ATTENTION_VERSIONS_H

#include "kgpt/attention.h"

#define KG_KV_BLOCK 32u /* values that share a scale in KG_KV_Q8 */

extern const struct kg_attention_ops kg_attention_ref, kg_attention_128, kg_attention_avx2, kg_attention_avx512;

kg_kv_store_fn kg_kv_store_f16_ref, kg_kv_store_q8_ref, kg_kv_store_f32_ref;
kg_kv_load_fn kg_kv_load_f16_ref, kg_kv_load_q8_ref, kg_kv_load_f32_ref;
kg_kv_load_fn kg_kv_load_f16_128;
kg_kv_store_fn kg_kv_store_f16_avx2, kg_kv_store_q8_avx2;
kg_kv_load_fn kg_kv_load_f16_avx2, kg_kv_load_q8_avx2;
kg_kv_store_fn kg_kv_store_f16_neon, kg_kv_store_q8_neon;
kg_kv_load_fn kg_kv_load_f16_neon, kg_kv_load_q8_neon;

/* The steps in vectors of 128 bits: of kg_attention_128, and of tables that differ from it in their cache alone. */
void kg_scores_128(float *scores, size_t stride, const float *queries, uint32_t n_queries, const float *keys,
                   uint32_t n, uint32_t width, float scale);
float kg_largest_128(const float *x, size_t n);
void kg_powers_128(float *x, size_t n, float largest);
void kg_divide_128(float *to, const float *x, size_t n, float by);
void kg_add_values_128(float *out, size_t out_stride, const float *weights, size_t stride, uint32_t n_queries,
                       const float *values, uint32_t n, uint32_t width);

static inline uint32_t kg_kv_scales(uint32_t dim)
{
    return (dim + KG_KV_BLOCK - 1) / KG_KV_BLOCK;
}

#endif
