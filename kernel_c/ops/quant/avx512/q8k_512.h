/* Products of types with blocks of 256 in 512-bit vectors. One token with Q4_K, Q5_K or Q6_K: q8k_one_512.h. Otherwise
 * the same block of two groups of rows, `low` and `high`, is unpacked once for up to eight tokens. Hardware prefetchers
 * follow one stream of reads well, but not these two, which also take a block in the order of its steps: prefetch
 * instructions read the next two groups into the L2 cache, in the order of memory.
 *
 * The including file defines
 *   SUFFIX       of the functions' names
 *   dot_four     adds to each 32-bit lane four products of an unsigned value with an activation; the activations of
 *                four columns are in memory
 *   dot_eight    the same; the activations are given
 *   dot_words    adds to each 32-bit lane two products of 16-bit words */
#ifndef KGPT_OPS_QUANT_Q8K_512_H
#define KGPT_OPS_QUANT_Q8K_512_H

#include "ops/quant/act.h"
#include "ops/quant/avx512/q8k_one_512.h"
#include "ops/quant/avx512/q8k_types_512.h"
#include "ops/quant/versions.h"

#define MOST_TOKENS 8 /* computed together */
#define PAIR 16       /* rows */
#define STEPS 8       /* of a block, each with 32 values */

/* Part i of four as a 32-bit word of each row. */
KG_INLINE i32x16 scale_of_part(b8x64 four, uint32_t i, const bool has_sign)
{
    if (has_sign) {
        return (i32x16)((u32x16)four << (24 - 8 * i)) >> 24;
    }
    return (i32x16)((u32x16)four >> (8 * i) & 255);
}

/* Two activation sums as words: 16 values each with 16 parts, 32 values with 8 parts. */
KG_INLINE int32_t pair_of_sums(const int16_t *sums, const uint32_t first, const uint32_t second, const uint32_t parts)
{
    const int32_t low = parts == 16 ? sums[first] : sums[2 * first] + sums[2 * first + 1],
                  high = parts == 16 ? sums[second] : sums[2 * second] + sums[2 * second + 1];
    return (int32_t)((uint32_t)(uint16_t)low | (uint32_t)high << 16);
}

/* Products of activation sums with minima, or with scales if the values have an offset. */
KG_INLINE i32x16 multiply_sums(const struct scales *s, const struct kg_act_q8k *a, const struct kind kind)
{
    i32x16 sum = words_of(0);
    KG_UNROLL
    for (uint32_t i = 0; i < kind.parts / 4; i++) {
        const u16x32 v = (u16x32)(kind.has_minimum ? s->min[i] : s->scale[i]);
        const i16x32 of[2] = {kind.has_sign ? (i16x32)(v << 8) >> 8 : (i16x32)(v & 255),
                              kind.has_sign ? (i16x32)v >> 8 : (i16x32)(v >> 8)};
        KG_UNROLL
        for (uint32_t k = 0; k < 2; k++) {
            const int32_t pair = pair_of_sums(a->sums, 4 * i + k, 4 * i + k + 2, kind.parts);
            sum = dot_words(sum, of[k], (i16x32)words_of(pair));
        }
    }
    return sum;
}

/* v of the definition in ops/quant/ref.c, times x, for a block with the integer products `i`. */
KG_INLINE f32x16 block_values(i32x16 i, const struct scales *s, const struct kg_act_q8k *a, const struct kind kind)
{
    const i32x16 j = multiply_sums(s, a, kind);
    i = kind.has_minimum ? i : i - (j << kind.offset);
    f32x16 v = s->d * to_floats(i);
    v = kind.has_minimum ? v - s->m * to_floats(j) : v;
    return v * floats_of(a->d);
}

/* Adds the products of 32 values: `value` has four columns of sixteen rows in each vector. */
KG_INLINE i32x16 add_columns(i32x16 sum, const b8x64 value[8], const int8_t *q, const i32x16 scale[2],
                             const struct kind kind)
{
    i32x16 products = words_of(0);
    KG_UNROLL
    for (uint32_t i = 0; i < 8; i++) {
        if (kind.parts == 16 && i == 4) {
            sum += products * scale[0];
            products = words_of(0);
        }
        products = dot_four(products, value[i], q + 4 * i);
    }
    return sum + products * scale[1];
}

/* Adds the integer products of 32 values of two groups and `tokens` tokens. */
KG_INLINE void multiply_step(i32x16 *sum, const struct scales *s, const uint8_t *low, const uint8_t *high,
                             const uint8_t *acts, size_t act_stride, uint32_t tokens, uint32_t step,
                             const struct kind kind)
{
    const uint32_t part = kind.parts / STEPS * step, last = part + kind.parts / STEPS - 1;
    const i32x16 scale[2] = {scale_of_part(s->scale[part / 4], part % 4, kind.has_sign),
                             scale_of_part(s->scale[last / 4], last % 4, kind.has_sign)};
    struct values v[2];
    b8x64 value[8];
    kind.values(&v[0], low, step);
    kind.values(&v[1], high, step);
    KG_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        value[2 * i] = (b8x64)even((i32x16)v[0].of[i], (i32x16)v[1].of[i]);
        value[2 * i + 1] = (b8x64)odd((i32x16)v[0].of[i], (i32x16)v[1].of[i]);
    }
    KG_NO_UNROLL
    for (uint32_t t = 0; t < tokens; t++) {
        const struct kg_act_q8k *a = (const void *)(acts + t * act_stride);
        sum[t] = add_columns(sum[t], value, a->q + 32 * step, scale, kind);
    }
}

/* Two groups and up to MOST_TOKENS tokens: their sums wait in memory, so that one loop serves every number. */
KG_INLINE void more_tokens(f32x16 *total, const uint8_t *low, const uint8_t *high, uint32_t blocks, const uint8_t *acts,
                           size_t act_stride, uint32_t tokens, const struct kind kind)
{
    const uint32_t bytes = KG_GROUP * kind.bytes;
    const uint8_t *ahead = ahead_of(low, 2 * (size_t)blocks * bytes);
    for (uint32_t b = 0; b < blocks; b++, low += bytes, high += bytes, acts += sizeof(struct kg_act_q8k)) {
        struct scales s;
        i32x16 sum[MOST_TOKENS];
        kind.scales(&s, low, high);
        KG_UNROLL
        for (uint32_t t = 0; t < tokens; t++) {
            sum[t] = words_of(0);
        }
        KG_NO_UNROLL
        for (uint32_t half = 0; half < STEPS; half += STEPS / 2) {
            KG_UNROLL
            for (uint32_t i = 0; i < STEPS / 2; i++, ahead += 2 * bytes / STEPS) {
                prefetch(ahead, 2 * bytes / STEPS);
                multiply_step(sum, &s, low, high, acts, act_stride, tokens, half + i, kind);
            }
        }
        KG_NO_UNROLL
        for (uint32_t t = 0; t < tokens; t++) {
            const struct kg_act_q8k *a = (const void *)(acts + t * act_stride);
            total[t] += block_values(sum[t], &s, a, kind);
        }
    }
}

/* One or two groups and up to MOST_TOKENS tokens. */
KG_INLINE void tile(float *y, size_t y_stride, const uint8_t *p, size_t group_bytes, bool two, uint32_t blocks,
                    const uint8_t *acts, size_t act_stride, uint32_t tokens, const struct kind kind)
{
    f32x16 total[MOST_TOKENS];
    KG_NO_UNROLL
    for (uint32_t t = 0; t < tokens; t++) {
        total[t] = floats_of(0);
    }
    more_tokens(total, p, two ? p + group_bytes : p, blocks, acts, act_stride, tokens, kind);
    KG_NO_UNROLL
    for (uint32_t t = 0; t < tokens; t++) {
        if (two) {
            store_rows(y + t * y_stride, total[t]);
        } else {
            store_group(y + t * y_stride, total[t]);
        }
    }
}

KG_INLINE void rows(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                    const void *acts, size_t act_stride, uint32_t tokens, const struct kind kind)
{
    const uint32_t blocks = matrix->columns / 256, whole = n - n % KG_GROUP;
    const size_t group_bytes = (size_t)blocks * kind.bytes * KG_GROUP;
    const bool is_one = tokens == 1 && blocks <= kind.most_in_order;
    if (is_one) {
        one_token(y + first, matrix->data + first / KG_GROUP * group_bytes, whole / KG_GROUP, blocks, acts, kind);
    }
    for (uint32_t r = 0; !is_one && r < whole; r += PAIR) {
        const uint8_t *p = matrix->data + (first + r) / KG_GROUP * group_bytes, *a = acts;
        float *to = y + first + r;
        for (uint32_t t = 0, some; t < tokens; t += some, a += some * act_stride, to += some * y_stride) {
            some = tokens - t < MOST_TOKENS ? tokens - t : MOST_TOKENS;
            tile(to, y_stride, p, group_bytes, r + PAIR <= whole, blocks, a, act_stride, some, kind);
        }
    }
    if (whole < n) {
        kg_rows_q8k_ref(y, y_stride, matrix, first + whole, n - whole, acts, act_stride, tokens);
    }
}

#define MULTIPLY_ROWS rows
#include "ops/quant/define_rows.h"

DEFINE_ROWS(q2_k, .bytes = 84, .parts = 16, .has_minimum = true, .scales = scales_q2_k, .values = values_q2_k)
DEFINE_ROWS(q3_k, .bytes = 110, .parts = 16, .has_sign = true, .offset = 2, .scales = scales_q3_k,
            .values = values_q3_k)
DEFINE_ROWS(q4_k, .bytes = 144, .parts = 8, .has_minimum = true, .most_in_order = UINT32_MAX, .scales = scales_q4_k,
            .values = values_q4_k)
DEFINE_ROWS(q5_k, .bytes = 176, .parts = 8, .has_minimum = true, .most_in_order = 24, .has_fifth = true,
            .scales = scales_q4_k, .values = values_q5_k)
DEFINE_ROWS(q6_k, .bytes = 210, .parts = 16, .has_sign = true, .offset = 5, .halves = 1664, .most_in_order = UINT32_MAX,
            .scales = scales_q6_k, .values = values_q6_k)
DEFINE_ROWS(iq4_xs, .bytes = 136, .parts = 8, .has_sign = true, .offset = 7, .scales = scales_iq4_xs,
            .values = values_iq4_xs)

#endif
