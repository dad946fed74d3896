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

static inline uint32_t kg_kv_scales(uint32_t dim)
{
    return (dim + KG_KV_BLOCK - 1) / KG_KV_BLOCK;
}

#endif
