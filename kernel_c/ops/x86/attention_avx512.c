/* Attention with 512-bit vectors. */
#define KG_WIDTH 16
#define KG_DOT_QUERIES 4
#define KG_DOT_KEYS 4
#define KG_SUM_QUERIES 4
#define KG_SUM_GROUPS 4
#include "ops/attention/tile.h"

static void scores_avx512(float *scores, size_t stride, const float *queries, uint32_t n_queries, const float *keys,
                          uint32_t n, uint32_t width, float scale)
{
    const struct rows rows = rows_of_floats(keys, width);
    score_tile(scores, stride, queries, n_queries, &rows, n, width, scale, KG_KV_F32);
}

static float largest_avx512(const float *x, size_t n)
{
    return largest_of(x, n);
}

static void powers_avx512(float *x, size_t n, float largest)
{
    each_16(power_16, x, x, n, largest);
}

static void divide_avx512(float *to, const float *x, size_t n, float by)
{
    each_16(divide_16, to, x, n, by);
}

static void add_values_avx512(float *out, size_t out_stride, const float *weights, size_t stride, uint32_t n_queries,
                              const float *values, uint32_t n, uint32_t width)
{
    const struct rows rows = rows_of_floats(values, width);
    sum_tile(out, out_stride, weights, stride, n_queries, &rows, n, 0, width, KG_KV_F32);
}

static void scores_f16_avx512(float *scores, size_t stride, const float *queries, uint32_t n_queries,
                              const uint8_t *keys, uint32_t n, uint32_t dim, float scale)
{
    const struct rows rows = {keys, kg_kv_size(KG_KV_F16, dim), dim};
    score_tile(scores, stride, queries, n_queries, &rows, n, dim, scale, KG_KV_F16);
}

static void add_f16_avx512(float *out, size_t out_stride, const float *weights, size_t stride, uint32_t n_queries,
                           const uint8_t *values, uint32_t n, uint32_t dim, uint32_t first, uint32_t width)
{
    const struct rows rows = {values, kg_kv_size(KG_KV_F16, dim), dim};
    sum_tile(out, out_stride, weights, stride, n_queries, &rows, n, first, width, KG_KV_F16);
}

static void scores_q8_avx512(float *scores, size_t stride, const float *queries, uint32_t n_queries,
                             const uint8_t *keys, uint32_t n, uint32_t dim, float scale)
{
    const struct rows rows = {keys, kg_kv_size(KG_KV_Q8, dim), dim};
    score_tile(scores, stride, queries, n_queries, &rows, n, dim, scale, KG_KV_Q8);
}

static void add_q8_avx512(float *out, size_t out_stride, const float *weights, size_t stride, uint32_t n_queries,
                          const uint8_t *values, uint32_t n, uint32_t dim, uint32_t first, uint32_t width)
{
    const struct rows rows = {values, kg_kv_size(KG_KV_Q8, dim), dim};
    sum_tile(out, out_stride, weights, stride, n_queries, &rows, n, first, width, KG_KV_Q8);
}

/* Groups of 16 values by the conversions above; `rest` converts a last group that is not whole. */
KG_INLINE void load_rows(float *to, size_t stride, const uint8_t *from, uint32_t n, uint32_t dim, uint32_t first,
                         uint32_t end, kg_kv_load_fn *rest, const enum kg_kv_type type)
{
    const struct rows rows = {from, kg_kv_size(type, dim), dim};
    const uint32_t width = end - first, whole = width - width % KG_LANES;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t d = 0; d < whole; d += KG_LANES) {
            const struct lanes lanes = load_row(&rows, i, first + d, type);
            store_lanes(to + i * stride + d, &lanes);
        }
    }
    if (whole < width) {
        rest(to + whole, stride, from, n, dim, first + whole, end);
    }
}

static void load_f16_avx512(float *to, size_t stride, const uint8_t *from, uint32_t n, uint32_t dim, uint32_t first,
                            uint32_t end)
{
    load_rows(to, stride, from, n, dim, first, end, kg_kv_load_f16_ref, KG_KV_F16);
}

static void load_q8_avx512(float *to, size_t stride, const uint8_t *from, uint32_t n, uint32_t dim, uint32_t first,
                           uint32_t end)
{
    load_rows(to, stride, from, n, dim, first, end, kg_kv_load_q8_ref, KG_KV_Q8);
}

const struct kg_attention_ops kg_attention_avx512 = {
    .store = {kg_kv_store_f16_avx2, kg_kv_store_q8_avx2, kg_kv_store_f32_ref},
    .load = {load_f16_avx512, load_q8_avx512, kg_kv_load_f32_ref},
    .scores = scores_avx512,
    .largest = largest_avx512,
    .powers = powers_avx512,
    .divide = divide_avx512,
    .add_values = add_values_avx512,
    .kv_scores = {[KG_KV_F16] = scores_f16_avx512, [KG_KV_Q8] = scores_q8_avx512},
    .kv_add = {[KG_KV_F16] = add_f16_avx512, [KG_KV_Q8] = add_q8_avx512},
};
