/* Attention with 256-bit vectors. */
#define KG_WIDTH 8
#define KG_DOT_QUERIES 1
#define KG_DOT_KEYS 4
#define KG_SUM_QUERIES 4
#define KG_SUM_GROUPS 1
#include "ops/attention/tile.h"

static void scores_avx2(float *scores, size_t stride, const float *queries, uint32_t n_queries, const float *keys,
                        uint32_t n, uint32_t width, float scale)
{
    const struct rows rows = rows_of_floats(keys, width);
    score_tile(scores, stride, queries, n_queries, &rows, n, width, scale, KG_KV_F32);
}

static float largest_avx2(const float *x, size_t n)
{
    return largest_of(x, n);
}

static void powers_avx2(float *x, size_t n, float largest)
{
    each_16(power_16, x, x, n, largest);
}

static void divide_avx2(float *to, const float *x, size_t n, float by)
{
    each_16(divide_16, to, x, n, by);
}

static void add_values_avx2(float *out, size_t out_stride, const float *weights, size_t stride, uint32_t n_queries,
                            const float *values, uint32_t n, uint32_t width)
{
    const struct rows rows = rows_of_floats(values, width);
    sum_tile(out, out_stride, weights, stride, n_queries, &rows, n, 0, width, KG_KV_F32);
}

const struct kg_attention_ops kg_attention_avx2 = {
    .store = {kg_kv_store_f16_avx2, kg_kv_store_q8_avx2, kg_kv_store_f32_ref},
    .load = {kg_kv_load_f16_avx2, kg_kv_load_q8_avx2, kg_kv_load_f32_ref},
    .scores = scores_avx2,
    .largest = largest_avx2,
    .powers = powers_avx2,
    .divide = divide_avx2,
    .add_values = add_values_avx2,
};
