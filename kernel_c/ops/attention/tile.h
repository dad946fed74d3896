/* The steps of attention in vectors of KG_WIDTH floats (4, 8 or 16), which the including file defines, for several
 * queries and keys at once. The 16 lanes of `dot` (kgpt/ops.h) are 16 / KG_WIDTH vectors. No lane adds anything that
 * the definition does not add, and all in its order: so the bits are those of attention_ref.c.
 *
 * The including file also defines
 *   KG_DOT_QUERIES, KG_DOT_KEYS: queries (at most 4) and keys (2 or 4) whose lanes are in registers at once;
 *   KG_SUM_QUERIES, KG_SUM_GROUPS: queries (at most 4) and groups of 16 values whose sums are. */
#ifndef KGPT_OPS_ATTENTION_TILE_H
#define KGPT_OPS_ATTENTION_TILE_H

#include "kgpt/math_inline.h"
#include "ops/quant/inline.h"
#include "ops/x86/vector.h"
#include "versions.h"

#define VECTORS (16 / KG_WIDTH)

typedef float vector __attribute__((vector_size(KG_WIDTH * 4)));
typedef vector vector_at __attribute__((aligned(4), may_alias));
typedef int mask __attribute__((vector_size(KG_WIDTH * 4)));

/* 16 floats. */
struct lanes {
    vector v[VECTORS];
};

KG_INLINE struct lanes load_lanes(const float *p)
{
    struct lanes lanes;
    KG_UNROLL
    for (uint32_t i = 0; i < VECTORS; i++) {
        lanes.v[i] = *(const vector_at *)(p + i * KG_WIDTH);
    }
    return lanes;
}

KG_INLINE void store_lanes(float *p, const struct lanes *lanes)
{
    KG_UNROLL
    for (uint32_t i = 0; i < VECTORS; i++) {
        *(vector_at *)(p + i * KG_WIDTH) = lanes->v[i];
    }
}

KG_INLINE void multiply_lanes(struct lanes *product, const struct lanes *a, const struct lanes *b)
{
    KG_UNROLL
    for (uint32_t i = 0; i < VECTORS; i++) {
        product->v[i] = a->v[i] * b->v[i];
    }
}

KG_INLINE void add_product(struct lanes *sum, const struct lanes *a, const struct lanes *b)
{
    KG_UNROLL
    for (uint32_t i = 0; i < VECTORS; i++) {
        sum->v[i] += a->v[i] * b->v[i];
    }
}

/* The first two steps of the reduction tree: 16 lanes to 8 to 4. */
KG_INLINE kg_f32x4 fold_lanes_to_4(const struct lanes *sum)
{
#if KG_WIDTH == 4
    return (sum->v[0] + sum->v[2]) + (sum->v[1] + sum->v[3]);
#else
#if KG_WIDTH == 8
    kg_f32x8 eight = sum->v[0] + sum->v[1];
#else
    kg_f32x8 eight = __builtin_shufflevector(sum->v[0], sum->v[0], 0, 1, 2, 3, 4, 5, 6, 7) +
                     __builtin_shufflevector(sum->v[0], sum->v[0], 8, 9, 10, 11, 12, 13, 14, 15);
#endif
    return __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
#endif
}

/* folded[q * 4 + k]: the lanes of query q times key k, folded to 4. A lane begins with its first product, not with +0
 * plus that: so it may be -0 in place of +0, until the caller adds +0 to the result. */
KG_INLINE void fold_dots(kg_f32x4 *folded, const float *queries, const float *keys, uint32_t width,
                         const uint32_t n_queries, const uint32_t n_keys)
{
    struct lanes sum[KG_DOT_QUERIES][KG_DOT_KEYS], key[KG_DOT_KEYS];
    KG_UNROLL
    for (uint32_t k = 0; k < n_keys; k++) {
        key[k] = load_lanes(keys + (size_t)k * width);
    }
    KG_UNROLL
    for (uint32_t q = 0; q < n_queries; q++) {
        struct lanes query = load_lanes(queries + (size_t)q * width);
        KG_UNROLL
        for (uint32_t k = 0; k < n_keys; k++) {
            multiply_lanes(&sum[q][k], &query, &key[k]);
        }
    }
    for (uint32_t i = KG_LANES; i < width; i += KG_LANES) {
        KG_UNROLL
        for (uint32_t k = 0; k < n_keys; k++) {
            key[k] = load_lanes(keys + (size_t)k * width + i);
        }
        KG_UNROLL
        for (uint32_t q = 0; q < n_queries; q++) {
            struct lanes query = load_lanes(queries + (size_t)q * width + i);
            KG_UNROLL
            for (uint32_t k = 0; k < n_keys; k++) {
                add_product(&sum[q][k], &query, &key[k]);
            }
        }
    }
    KG_UNROLL
    for (uint32_t q = 0; q < n_queries; q++) {
        KG_UNROLL
        for (uint32_t k = 0; k < n_keys; k++) {
            folded[q * 4 + k] = fold_lanes_to_4(&sum[q][k]);
        }
    }
}

/* All keys for `n_queries` queries, four keys at once. */
KG_INLINE void score_queries(float *scores, size_t stride, const float *queries, const float *keys, uint32_t n,
                             uint32_t width, float scale, const uint32_t n_queries)
{
    kg_f32x4 folded[KG_DOT_QUERIES * 4];
    uint32_t i = 0;
    for (; i + 4 <= n; i += 4) {
        KG_UNROLL
        for (uint32_t k = 0; k < 4; k += KG_DOT_KEYS) {
            fold_dots(folded + k, queries, keys + (size_t)(i + k) * width, width, n_queries, KG_DOT_KEYS);
        }
        KG_UNROLL
        for (uint32_t q = 0; q < n_queries; q++) {
            const kg_f32x4 *four = folded + q * 4;
            kg_f32x4 dots = kg_reduce_4_rows(four[0], four[1], four[2], four[3]) + (kg_f32x4){0};
            *(kg_f32x4_at *)(scores + q * stride + i) = dots * scale;
        }
    }
    for (; i < n; i++) {
        fold_dots(folded, queries, keys + (size_t)i * width, width, n_queries, 1);
        KG_UNROLL
        for (uint32_t q = 0; q < n_queries; q++) {
            kg_f32x4 four = folded[q * 4];
            scores[q * stride + i] = ((four[0] + four[2]) + (four[1] + four[3]) + 0.0f) * scale;
        }
    }
}

/* The rest of a number of queries that is no multiple of KG_DOT_QUERIES. */
KG_INLINE void score_tile(float *scores, size_t stride, const float *queries, uint32_t n_queries, const float *keys,
                          uint32_t n, uint32_t width, float scale)
{
    uint32_t q = 0;
    for (; q + KG_DOT_QUERIES <= n_queries; q += KG_DOT_QUERIES) {
        score_queries(scores + q * stride, stride, queries + (size_t)q * width, keys, n, width, scale, KG_DOT_QUERIES);
    }
    scores += q * stride;
    queries += (size_t)q * width;
    if (KG_DOT_QUERIES > 3 && n_queries - q == 3) {
        score_queries(scores, stride, queries, keys, n, width, scale, 3);
    } else if (KG_DOT_QUERIES > 2 && n_queries - q == 2) {
        score_queries(scores, stride, queries, keys, n, width, scale, 2);
    } else if (KG_DOT_QUERIES > 1 && n_queries - q == 1) {
        score_queries(scores, stride, queries, keys, n, width, scale, 1);
    }
}

/* As the comparison of attention_ref.c: x if x > largest, otherwise largest. */
KG_INLINE vector larger(vector x, vector largest)
{
    mask more = x > largest;
    return (vector)((more & (mask)x) | (~more & (mask)largest));
}

KG_INLINE float largest_of(const float *x, size_t n)
{
    float largest = x[0];
    size_t i = 0;
    if (n >= 2 * KG_WIDTH) {
        vector even = *(const vector_at *)x, odd = *(const vector_at *)(x + KG_WIDTH);
        for (i = 2 * KG_WIDTH; i + 2 * KG_WIDTH <= n; i += 2 * KG_WIDTH) {
            even = larger(*(const vector_at *)(x + i), even);
            odd = larger(*(const vector_at *)(x + i + KG_WIDTH), odd);
        }
        even = larger(odd, even);
        for (uint32_t j = 0; j < KG_WIDTH; j++) {
            largest = even[j] > largest ? even[j] : largest;
        }
    }
    for (; i < n; i++) {
        largest = x[i] > largest ? x[i] : largest;
    }
    return largest;
}

/* Calls step(x, by) for 16 floats at a time; the last ones are padded. */
typedef void step_of_16(float *x, float by);

KG_INLINE void each_16(step_of_16 *step, float *x, size_t n, float by)
{
    size_t i = 0;
    for (; i + KG_LANES <= n; i += KG_LANES) {
        step(x + i, by);
    }
    if (i < n) {
        float rest[KG_LANES];
        for (size_t j = 0; j < KG_LANES; j++) {
            rest[j] = x[i + j < n ? i + j : n - 1];
        }
        step(rest, by);
        for (size_t j = 0; i + j < n; j++) {
            x[i + j] = rest[j];
        }
    }
}

/* The compiler vectorizes these loops. */
KG_INLINE void power_16(float *x, float largest)
{
    for (uint32_t i = 0; i < KG_LANES; i++) {
        x[i] = kg_exp_inline(x[i] - largest);
    }
}

KG_INLINE void divide_16(float *x, float by)
{
    for (uint32_t i = 0; i < KG_LANES; i++) {
        x[i] /= by;
    }
}

/* `groups` groups of 16 values, for all positions. */
KG_INLINE void add_groups(float *out, size_t out_stride, const float *weights, size_t stride, const float *values,
                          uint32_t n, uint32_t width, const uint32_t n_queries, const uint32_t groups)
{
    struct lanes sum[KG_SUM_QUERIES][KG_SUM_GROUPS];
    KG_UNROLL
    for (uint32_t q = 0; q < n_queries; q++) {
        KG_UNROLL
        for (uint32_t g = 0; g < groups; g++) {
            sum[q][g] = load_lanes(out + q * out_stride + g * KG_LANES);
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        struct lanes value[KG_SUM_GROUPS];
        KG_UNROLL
        for (uint32_t g = 0; g < groups; g++) {
            value[g] = load_lanes(values + (size_t)i * width + g * KG_LANES);
        }
        KG_UNROLL
        for (uint32_t q = 0; q < n_queries; q++) {
            const float weight = weights[q * stride + i];
            KG_UNROLL
            for (uint32_t g = 0; g < groups; g++) {
                KG_UNROLL
                for (uint32_t v = 0; v < VECTORS; v++) {
                    sum[q][g].v[v] += weight * value[g].v[v];
                }
            }
        }
    }
    KG_UNROLL
    for (uint32_t q = 0; q < n_queries; q++) {
        KG_UNROLL
        for (uint32_t g = 0; g < groups; g++) {
            store_lanes(out + q * out_stride + g * KG_LANES, &sum[q][g]);
        }
    }
}

KG_INLINE void sum_queries(float *out, size_t out_stride, const float *weights, size_t stride, const float *values,
                           uint32_t n, uint32_t width, const uint32_t n_queries)
{
    uint32_t d = 0;
    for (; d + KG_SUM_GROUPS * KG_LANES <= width; d += KG_SUM_GROUPS * KG_LANES) {
        add_groups(out + d, out_stride, weights, stride, values + d, n, width, n_queries, KG_SUM_GROUPS);
    }
    for (; KG_SUM_GROUPS > 1 && d < width; d += KG_LANES) {
        add_groups(out + d, out_stride, weights, stride, values + d, n, width, n_queries, 1);
    }
}

KG_INLINE void sum_tile(float *out, size_t out_stride, const float *weights, size_t stride, uint32_t n_queries,
                        const float *values, uint32_t n, uint32_t width)
{
    uint32_t q = 0;
    for (; q + KG_SUM_QUERIES <= n_queries; q += KG_SUM_QUERIES) {
        sum_queries(out + q * out_stride, out_stride, weights + q * stride, stride, values, n, width, KG_SUM_QUERIES);
    }
    out += q * out_stride;
    weights += q * stride;
    if (KG_SUM_QUERIES > 3 && n_queries - q == 3) {
        sum_queries(out, out_stride, weights, stride, values, n, width, 3);
    } else if (KG_SUM_QUERIES > 2 && n_queries - q == 2) {
        sum_queries(out, out_stride, weights, stride, values, n, width, 2);
    } else if (KG_SUM_QUERIES > 1 && n_queries - q == 1) {
        sum_queries(out, out_stride, weights, stride, values, n, width, 1);
    }
}

#endif
