/* The steps of attention (kgpt/attention.h) in plain C: the definition. */
#include "kgpt/math_inline.h"
#include "versions.h"

static float dot_rows(const float *a, const float *b, uint32_t width)
{
    float lane[KG_LANES] = {0};
    for (uint32_t i = 0; i < width; i++) {
        lane[i % KG_LANES] += a[i] * b[i];
    }
    for (uint32_t half = KG_LANES / 2; half; half /= 2) {
        for (uint32_t j = 0; j < half; j++) {
            lane[j] += lane[j + half];
        }
    }
    return lane[0];
}

static void compute_scores(float *scores, size_t stride, const float *queries, uint32_t n_queries, const float *keys,
                           uint32_t n, uint32_t width, float scale)
{
    for (uint32_t q = 0; q < n_queries; q++) {
        for (uint32_t i = 0; i < n; i++) {
            scores[q * stride + i] = dot_rows(queries + (size_t)q * width, keys + (size_t)i * width, width) * scale;
        }
    }
}

static float find_largest(const float *x, size_t n)
{
    float largest = x[0];
    for (size_t i = 1; i < n; i++) {
        largest = x[i] > largest ? x[i] : largest;
    }
    return largest;
}

static void compute_powers(float *x, size_t n, float largest)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = kg_exp_inline(x[i] - largest);
    }
}

static void divide_floats(float *to, const float *x, size_t n, float by)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = x[i] / by;
    }
}

static void add_weighted_values(float *out, size_t out_stride, const float *weights, size_t stride, uint32_t n_queries,
                                const float *values, uint32_t n, uint32_t width)
{
    for (uint32_t q = 0; q < n_queries; q++) {
        for (uint32_t i = 0; i < n; i++) {
            for (uint32_t d = 0; d < width; d++) {
                out[q * out_stride + d] += weights[q * stride + i] * values[(size_t)i * width + d];
            }
        }
    }
}

const struct kg_attention_ops kg_attention_ref = {
    .store = {kg_kv_store_f16_ref, kg_kv_store_q8_ref, kg_kv_store_f32_ref},
    .load = {kg_kv_load_f16_ref, kg_kv_load_q8_ref, kg_kv_load_f32_ref},
    .scores = compute_scores,
    .largest = find_largest,
    .powers = compute_powers,
    .divide = divide_floats,
    .add_values = add_weighted_values,
};
