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
#include "ops/vector.h"
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

/* Rows of a cache: heads of `dim` values, or of floats. */
struct rows {
    const uint8_t *data;
    size_t bytes; /* of a row */
    uint32_t dim;
};

KG_INLINE struct rows rows_of_floats(const float *data, uint32_t width)
{
    return (struct rows){(const uint8_t *)data, width * sizeof *data, width};
}

#if KG_WIDTH == 16
typedef signed char bytes_of_16 __attribute__((vector_size(16)));
typedef bytes_of_16 bytes_of_16_at __attribute__((aligned(1), may_alias));
typedef struct {
    uint16_t half[16];
} __attribute__((packed, may_alias)) halves_of_16;

KG_INLINE vector convert_halves(const uint8_t *p)
{
    vector floats;
    __asm__("vcvtph2ps %1, %0" : "=v"(floats) : "m"(*(const halves_of_16 *)(const void *)p));
    return floats;
}
#endif

/* Values d .. d + 15 of row i, as floats. */
KG_INLINE struct lanes load_row(const struct rows *rows, size_t i, uint32_t d, const enum kg_kv_type type)
{
    const uint8_t *row = rows->data + i * rows->bytes;
#if KG_WIDTH == 16
    if (type == KG_KV_F16) {
        return (struct lanes){{convert_halves(row + 2 * d)}};
    }
    if (type == KG_KV_Q8) {
        const uint8_t *bytes = row + kg_kv_scales(rows->dim) * sizeof(float) + d;
        const float scale = ((const float *)(const void *)row)[d / KG_KV_BLOCK];
        return (struct lanes){{scale * __builtin_convertvector(*(const bytes_of_16_at *)bytes, vector)}};
    }
#endif
    (void)type;
    return load_lanes((const float *)(const void *)row + d);
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

/* The lanes of n_queries queries times n_keys keys. A lane begins with its first product, not with +0 plus that: so it
 * may be -0 in place of +0, until the caller adds +0 to the result. */
KG_INLINE void dot_lanes(struct lanes sum[KG_DOT_QUERIES][KG_DOT_KEYS], const float *queries, const struct rows *keys,
                         size_t first, uint32_t width, const uint32_t n_queries, const uint32_t n_keys,
                         const enum kg_kv_type type)
{
    struct lanes key[KG_DOT_KEYS];
    KG_UNROLL
    for (uint32_t k = 0; k < n_keys; k++) {
        key[k] = load_row(keys, first + k, 0, type);
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
            key[k] = load_row(keys, first + k, i, type);
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
}

#if KG_WIDTH == 16
/* The reduction tree of 16 dots at once: 16 lanes to 8, two queries in a vector; to 4, four queries; to 2, two keys in
 * each quarter; to 1. Element q * 4 + k of the result is query q times key k. Of fewer queries the last one comes
 * again. */
KG_INLINE vector reduce_16_dots(struct lanes sum[KG_DOT_QUERIES][KG_DOT_KEYS], const uint32_t n_queries)
{
    const uint32_t b = n_queries > 1, c = n_queries > 2 ? 2 : b, d = n_queries > 3 ? 3 : c;
    vector four[4];
    KG_UNROLL
    for (uint32_t k = 0; k < 4; k++) {
        vector x = __builtin_shufflevector(sum[0][k].v[0], sum[b][k].v[0], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20,
                                           21, 22, 23) +
                   __builtin_shufflevector(sum[0][k].v[0], sum[b][k].v[0], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27,
                                           28, 29, 30, 31);
        vector y = n_queries < 3 ? x
                                 : __builtin_shufflevector(sum[c][k].v[0], sum[d][k].v[0], 0, 1, 2, 3, 4, 5, 6, 7, 16,
                                                           17, 18, 19, 20, 21, 22, 23) +
                                       __builtin_shufflevector(sum[c][k].v[0], sum[d][k].v[0], 8, 9, 10, 11, 12, 13, 14,
                                                               15, 24, 25, 26, 27, 28, 29, 30, 31);
        four[k] = __builtin_shufflevector(x, y, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
                  __builtin_shufflevector(x, y, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    }
    vector two[2];
    KG_UNROLL
    for (uint32_t k = 0; k < 2; k++) {
        two[k] = __builtin_shufflevector(four[2 * k], four[2 * k + 1], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13,
                                         28, 29) +
                 __builtin_shufflevector(four[2 * k], four[2 * k + 1], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14,
                                         15, 30, 31);
    }
    return __builtin_shufflevector(two[0], two[1], 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30) +
           __builtin_shufflevector(two[0], two[1], 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31);
}

KG_INLINE void score_4_keys(float *scores, size_t stride, const float *queries, const struct rows *keys, size_t first,
                            uint32_t width, float scale, const uint32_t n_queries, const enum kg_kv_type type)
{
    struct lanes sum[KG_DOT_QUERIES][KG_DOT_KEYS];
    dot_lanes(sum, queries, keys, first, width, n_queries, 4, type);
    const vector dots = (reduce_16_dots(sum, n_queries) + (vector){0}) * scale;
    *(kg_f32x4_at *)scores = __builtin_shufflevector(dots, dots, 0, 1, 2, 3);
    if (n_queries > 1) {
        *(kg_f32x4_at *)(scores + stride) = __builtin_shufflevector(dots, dots, 4, 5, 6, 7);
    }
    if (n_queries > 2) {
        *(kg_f32x4_at *)(scores + 2 * stride) = __builtin_shufflevector(dots, dots, 8, 9, 10, 11);
    }
    if (n_queries > 3) {
        *(kg_f32x4_at *)(scores + 3 * stride) = __builtin_shufflevector(dots, dots, 12, 13, 14, 15);
    }
}
#else
KG_INLINE void score_4_keys(float *scores, size_t stride, const float *queries, const struct rows *keys, size_t first,
                            uint32_t width, float scale, const uint32_t n_queries, const enum kg_kv_type type)
{
    kg_f32x4 four[KG_DOT_QUERIES][4];
    KG_UNROLL
    for (uint32_t at = 0; at < 4; at += KG_DOT_KEYS) {
        struct lanes sum[KG_DOT_QUERIES][KG_DOT_KEYS];
        dot_lanes(sum, queries, keys, first + at, width, n_queries, KG_DOT_KEYS, type);
        KG_UNROLL
        for (uint32_t i = 0; i < n_queries * KG_DOT_KEYS; i++) {
            const uint32_t q = i / KG_DOT_KEYS, k = i % KG_DOT_KEYS;
            four[q][at + k] = fold_lanes_to_4(&sum[q][k]);
        }
    }
    KG_UNROLL
    for (uint32_t q = 0; q < n_queries; q++) {
        kg_f32x4 dots = kg_reduce_4_rows(four[q][0], four[q][1], four[q][2], four[q][3]) + (kg_f32x4){0};
        *(kg_f32x4_at *)(scores + q * stride) = dots * scale;
    }
}
#endif

/* All keys for `n_queries` queries, four keys at once. */
KG_INLINE void score_queries(float *scores, size_t stride, const float *queries, const struct rows *keys, uint32_t n,
                             uint32_t width, float scale, const uint32_t n_queries, const enum kg_kv_type type)
{
    uint32_t i = 0;
    for (; i + 4 <= n; i += 4) {
        score_4_keys(scores + i, stride, queries, keys, i, width, scale, n_queries, type);
    }
    for (; i < n; i++) {
        struct lanes sum[KG_DOT_QUERIES][KG_DOT_KEYS];
        dot_lanes(sum, queries, keys, i, width, n_queries, 1, type);
        KG_UNROLL
        for (uint32_t q = 0; q < n_queries; q++) {
            kg_f32x4 four = fold_lanes_to_4(&sum[q][0]);
            scores[q * stride + i] = ((four[0] + four[2]) + (four[1] + four[3]) + 0.0f) * scale;
        }
    }
}

/* The rest of a number of queries that is no multiple of KG_DOT_QUERIES. */
KG_INLINE void score_tile(float *scores, size_t stride, const float *queries, uint32_t n_queries,
                          const struct rows *keys, uint32_t n, uint32_t width, float scale, const enum kg_kv_type type)
{
    uint32_t q = 0;
    for (; q + KG_DOT_QUERIES <= n_queries; q += KG_DOT_QUERIES) {
        score_queries(scores + q * stride, stride, queries + (size_t)q * width, keys, n, width, scale, KG_DOT_QUERIES,
                      type);
    }
    scores += q * stride;
    queries += (size_t)q * width;
    if (KG_DOT_QUERIES > 3 && n_queries - q == 3) {
        score_queries(scores, stride, queries, keys, n, width, scale, 3, type);
    } else if (KG_DOT_QUERIES > 2 && n_queries - q == 2) {
        score_queries(scores, stride, queries, keys, n, width, scale, 2, type);
    } else if (KG_DOT_QUERIES > 1 && n_queries - q == 1) {
        score_queries(scores, stride, queries, keys, n, width, scale, 1, type);
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

/* Calls step(to, x, by) for 16 floats at a time; the last ones are padded. */
typedef void step_of_16(float *to, const float *x, float by);

KG_INLINE void each_16(step_of_16 *step, float *to, const float *x, size_t n, float by)
{
    size_t i = 0;
    for (; i + KG_LANES <= n; i += KG_LANES) {
        step(to + i, x + i, by);
    }
    if (i < n) {
        float rest[KG_LANES];
        for (size_t j = 0; j < KG_LANES; j++) {
            rest[j] = x[i + j < n ? i + j : n - 1];
        }
        step(rest, rest, by);
        for (size_t j = 0; i + j < n; j++) {
            to[i + j] = rest[j];
        }
    }
}

/* The compiler vectorizes these loops: it sees that what they read is not written before. */
KG_INLINE void power_16(float *to, const float *x, float largest)
{
    float power[KG_LANES];
    for (uint32_t i = 0; i < KG_LANES; i++) {
        power[i] = kg_exp_inline(x[i] - largest);
    }
    const struct lanes lanes = load_lanes(power);
    store_lanes(to, &lanes);
}

KG_INLINE void divide_16(float *to, const float *x, float by)
{
    float quotient[KG_LANES];
    for (uint32_t i = 0; i < KG_LANES; i++) {
        quotient[i] = x[i] / by;
    }
    const struct lanes lanes = load_lanes(quotient);
    store_lanes(to, &lanes);
}

/* `groups` groups of 16 values, for all positions. */
KG_INLINE void add_groups(float *out, size_t out_stride, const float *weights, size_t stride, const struct rows *values,
                          uint32_t n, uint32_t d, const uint32_t n_queries, const uint32_t groups,
                          const enum kg_kv_type type)
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
            value[g] = load_row(values, i, d + g * KG_LANES, type);
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

KG_INLINE void sum_queries(float *out, size_t out_stride, const float *weights, size_t stride,
                           const struct rows *values, uint32_t n, uint32_t first, uint32_t width,
                           const uint32_t n_queries, const enum kg_kv_type type)
{
    uint32_t d = 0;
    for (; d + KG_SUM_GROUPS * KG_LANES <= width; d += KG_SUM_GROUPS * KG_LANES) {
        add_groups(out + d, out_stride, weights, stride, values, n, first + d, n_queries, KG_SUM_GROUPS, type);
    }
    for (; KG_SUM_GROUPS > 1 && d < width; d += KG_LANES) {
        add_groups(out + d, out_stride, weights, stride, values, n, first + d, n_queries, 1, type);
    }
}

KG_INLINE void sum_tile(float *out, size_t out_stride, const float *weights, size_t stride, uint32_t n_queries,
                        const struct rows *values, uint32_t n, uint32_t first, uint32_t width,
                        const enum kg_kv_type type)
{
    uint32_t q = 0;
    for (; q + KG_SUM_QUERIES <= n_queries; q += KG_SUM_QUERIES) {
        sum_queries(out + q * out_stride, out_stride, weights + q * stride, stride, values, n, first, width,
                    KG_SUM_QUERIES, type);
    }
    out += q * out_stride;
    weights += q * stride;
    if (KG_SUM_QUERIES > 3 && n_queries - q == 3) {
        sum_queries(out, out_stride, weights, stride, values, n, first, width, 3, type);
    } else if (KG_SUM_QUERIES > 2 && n_queries - q == 2) {
        sum_queries(out, out_stride, weights, stride, values, n, first, width, 2, type);
    } else if (KG_SUM_QUERIES > 1 && n_queries - q == 1) {
        sum_queries(out, out_stride, weights, stride, values, n, first, width, 1, type);
    }
}

#endif
