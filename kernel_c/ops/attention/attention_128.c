/* Attention with 128-bit vectors, which every processor has. */
#define KG_WIDTH 4
#define KG_DOT_QUERIES 1
#define KG_DOT_KEYS 2
#define KG_SUM_QUERIES 2
#define KG_SUM_GROUPS 1
#include "ops/quant/swar/swar.h"
#include "tile.h"

KG_ONE_PAGE void kg_scores_128(float *scores, size_t stride, const float *queries, uint32_t n_queries,
                               const float *keys, uint32_t n, uint32_t width, float scale)
{
    const struct rows rows = rows_of_floats(keys, width);
    score_tile(scores, stride, queries, n_queries, &rows, n, width, scale, KG_KV_F32);
}

float kg_largest_128(const float *x, size_t n)
{
    return largest_of(x, n);
}

KG_ONE_PAGE void kg_powers_128(float *x, size_t n, float largest)
{
    each_16(power_16, x, x, n, largest);
}

void kg_divide_128(float *to, const float *x, size_t n, float by)
{
    each_16(divide_16, to, x, n, by);
}

KG_ONE_PAGE void kg_add_values_128(float *out, size_t out_stride, const float *weights, size_t stride,
                                   uint32_t n_queries, const float *values, uint32_t n, uint32_t width)
{
    const struct rows rows = rows_of_floats(values, width);
    sum_tile(out, out_stride, weights, stride, n_queries, &rows, n, 0, width, KG_KV_F32);
}

const struct kg_attention_ops kg_attention_128 = {
    .store = {kg_kv_store_f16_ref, kg_kv_store_q8_ref, kg_kv_store_f32_ref},
    .load = {kg_kv_load_f16_128, kg_kv_load_q8_ref, kg_kv_load_f32_ref},
    .scores = kg_scores_128,
    .largest = kg_largest_128,
    .powers = kg_powers_128,
    .divide = kg_divide_128,
    .add_values = kg_add_values_128,
};
