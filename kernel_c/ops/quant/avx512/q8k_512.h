/* Products of types with blocks of 256 in 512-bit vectors. Two blocks are unpacked together, `low` and `high`: for one
 * token two successive blocks of a group, so that memory is read in its order; for more tokens the same block of two
 * groups, once for up to eight tokens, while prefetch instructions read the next two groups.
 *
 * The including file defines
 *   SUFFIX       of the functions' names
 *   dot_eight    adds to each 32-bit lane four products of an unsigned value with an activation; the vectors are given
 *   dot_four     the same, with the activations of four columns in memory
 *   dot_words    adds to each 32-bit lane two products of 16-bit words */
#ifndef KGPT_OPS_QUANT_Q8K_512_H
#define KGPT_OPS_QUANT_Q8K_512_H

#include "ops/quant/act.h"
#include "ops/quant/avx512/q8k_types_512.h"
#include "ops/quant/half.h"
#include "ops/quant/versions.h"

#define MOST_TOKENS 8 /* computed together */
#define PAIR 16       /* rows */
#define STEPS 8       /* of a block, each with 32 values */

/* The same bytes in each 128 bits; -128 picks a zero. */
#define EACH_128_BITS(...) ((b8x64){__VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__})

/* Part i of four as a 32-bit word of each row. */
KG_INLINE i32x16 scale_of_part(b8x64 four, uint32_t i, const bool has_sign)
{
    if (has_sign) {
        return (i32x16)((u32x16)four << (24 - 8 * i)) >> 24;
    }
    return (i32x16)((u32x16)four >> (8 * i) & 255);
}

/* Part i of four, twice as a 16-bit word of each row. */
KG_INLINE i16x32 scale_words_of_part(b8x64 four, const char i, const bool has_sign)
{
    const char z = -128, j = i + 4, k = i + 8, l = i + 12;
    if (has_sign) {
        return (i16x32)pick_bytes(four, EACH_128_BITS(z, i, z, i, z, j, z, j, z, k, z, k, z, l, z, l)) >> 8;
    }
    return (i16x32)pick_bytes(four, EACH_128_BITS(i, z, i, z, j, z, j, z, k, z, k, z, l, z, l, z));
}

/* Part i of four, twice as a 32-bit word of each row of one block. */
KG_INLINE i32x16 scale_of_block(b8x64 four, const uint32_t i, const char block)
{
    const char z = -128, j = (char)i + 8 * block, k = j + 4;
    return (i32x16)pick_bytes(four, EACH_128_BITS(z, z, z, j, z, z, z, j, z, z, z, k, z, z, z, k)) >> 24;
}

/* The sums of both blocks, 64 bits for each row, as words, in the order of even(). */
KG_INLINE i16x32 pack_blocks(i32x16 low, i32x16 high)
{
    i16x32 packed;
    __asm__("vpackssdw %2, %1, %0" : "=v"(packed) : "v"(low), "v"(high));
    return packed;
}

/* A 32-bit word for the rows of each block, in the order of even(). */
KG_INLINE i32x16 words_of_blocks(int32_t low, int32_t high)
{
    const i32x4 v = {low, low, high, high};
    return (i32x16)four_times(&v);
}

/* Two activation sums as words: 16 values each with 16 parts, 32 values with 8 parts. */
KG_INLINE int32_t pair_of_sums(const int16_t *sums, const uint32_t first, const uint32_t second, const uint32_t parts)
{
    const int32_t low = parts == 16 ? sums[first] : sums[2 * first] + sums[2 * first + 1],
                  high = parts == 16 ? sums[second] : sums[2 * second] + sums[2 * second + 1];
    return (int32_t)((uint32_t)(uint16_t)low | (uint32_t)high << 16);
}

/* Products of activation sums with minima, or with scales if the values have an offset. */
KG_INLINE i32x16 multiply_sums(const struct scales *s, const struct kg_act_q8k *low, const struct kg_act_q8k *high,
                               const struct kind kind)
{
    i32x16 sum = words_of(0);
    KG_UNROLL
    for (uint32_t i = 0; i < kind.parts / 4; i++) {
        const u16x32 v = (u16x32)(kind.has_minimum ? s->min[i] : s->scale[i]);
        const i16x32 of[2] = {kind.has_sign ? (i16x32)(v << 8) >> 8 : (i16x32)(v & 255),
                              kind.has_sign ? (i16x32)v >> 8 : (i16x32)(v >> 8)};
        KG_UNROLL
        for (uint32_t k = 0; k < 2; k++) {
            const int32_t a = pair_of_sums(low->sums, 4 * i + k, 4 * i + k + 2, kind.parts),
                          b = pair_of_sums(high->sums, 4 * i + k, 4 * i + k + 2, kind.parts);
            sum = dot_words(sum, of[k], (i16x32)(low == high ? words_of(a) : words_of_blocks(a, b)));
        }
    }
    return sum;
}

/* v of the definition in ops/quant/ref.c, times x, for blocks with the integer products `i`. */
KG_INLINE f32x16 block_values(i32x16 i, const struct scales *s, const struct kg_act_q8k *low,
                              const struct kg_act_q8k *high, const struct kind kind)
{
    const i32x16 j = multiply_sums(s, low, high, kind);
    i = kind.has_minimum ? i : i - (j << kind.offset);
    f32x16 v = s->d * to_floats(i);
    v = kind.has_minimum ? v - s->m * to_floats(j) : v;
    return v * (f32x16)words_of_blocks((int32_t)kg_bits_of(low->d), (int32_t)kg_bits_of(high->d));
}

/* Reads a share of the bytes that the next step of the loop takes. Hardware prefetchers follow reads in the order of
 * memory, but neither the order in which a block is unpacked nor prefetch instructions; those also occupy the buffers
 * for misses of L1 until memory answers. */
KG_INLINE void touch_share(const uint8_t *p, const uint32_t step, const uint32_t bytes)
{
    const uint32_t lines = (bytes + 63) / 64;
    KG_UNROLL
    for (uint32_t i = lines * step / STEPS; i < lines * (step + 1) / STEPS; i++) {
        (void)*(const volatile uint8_t *)(p + 64 * i);
    }
}

/* Adds the products of 32 values of both blocks. Sums of products have 64 bits for each row, before they are packed. */
KG_INLINE void add_step(i32x16 sum[2], const struct scales *s, const struct values v[2], const int8_t *q_low,
                        const int8_t *q_high, const uint32_t step, const struct kind kind)
{
    const uint32_t together = kind.fits ? kind.fits : 4; /* vectors of values of one part */
    KG_UNROLL
    for (uint32_t i = 0; i < 4; i += together) {
        const uint32_t part = kind.parts == 8 ? step : 2 * step + i / 2;
        const b8x64 four = s->scale[part / 4];
        i32x16 low = words_of(0), high = words_of(0);
        KG_UNROLL
        for (uint32_t k = i; k < i + together; k++) {
            low = dot_eight(low, v[0].of[k], eight_bytes(q_low + 8 * k));
            high = dot_eight(high, v[1].of[k], eight_bytes(q_high + 8 * k));
        }
        if (kind.fits) {
            sum[i / 2] = dot_words(sum[i / 2], pack_blocks(low, high),
                                   scale_words_of_part(four, (char)(part % 4), kind.has_sign));
        } else {
            sum[0] += low * scale_of_block(four, part % 4, 0);
            sum[1] += high * scale_of_block(four, part % 4, 1);
        }
    }
}

/* One group and one token. Nothing is read from `end` on. */
KG_INLINE void one_token(float *y, const uint8_t *p, const uint8_t *end, uint32_t blocks, const struct kg_act_q8k *a,
                         const struct kind kind)
{
    const uint32_t bytes = KG_GROUP * kind.bytes;
    f32x8 total = {0};
    for (uint32_t b = 0; b < blocks; b += 2, a += 2, p += 2 * bytes) {
        const bool two = b + 1 < blocks; /* otherwise the last block is computed twice and added once */
        const uint8_t *high = two ? p + bytes : p, *next = 4 * bytes <= (size_t)(end - p) ? p + 2 * bytes : p;
        const struct kg_act_q8k *a_high = two ? a + 1 : a;
        struct scales s;
        i32x16 sum[2] = {words_of(0), words_of(0)};
        kind.scales(&s, p, high);
        KG_UNROLL
        for (uint32_t step = 0; step < STEPS; step++) {
            struct values v[2];
            touch_share(next, step, 2 * bytes);
            kind.values(&v[0], p, step);
            kind.values(&v[1], high, step);
            add_step(sum, &s, v, a->q + 32 * step, a_high->q + 32 * step, step, kind);
        }
        const i32x16 products = kind.fits ? sum[0] + sum[1] : even(sum[0], sum[1]) + odd(sum[0], sum[1]);
        const f32x16 v = block_values(products, &s, a, a_high, kind);
        total += __builtin_shufflevector(v, v, 0, 1, 4, 5, 8, 9, 12, 13);
        if (two) {
            total += __builtin_shufflevector(v, v, 2, 3, 6, 7, 10, 11, 14, 15);
        }
    }
    *(f32x8_at *)y = total;
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
    const uint8_t *ahead = low + 2 * (high - low); /* the next two groups, in the order of memory */
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
            total[t] += block_values(sum[t], &s, a, a, kind);
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

/* Two groups, or the last one alone, with all tokens. Nothing is read from `end` on. */
KG_INLINE void tiles(float *y, size_t y_stride, const uint8_t *p, const uint8_t *end, bool two, uint32_t blocks,
                     const uint8_t *acts, size_t act_stride, uint32_t tokens, const struct kind kind)
{
    const size_t group_bytes = (size_t)blocks * kind.bytes * KG_GROUP;
    for (uint32_t n; tokens > 1; tokens -= n, acts += n * act_stride, y += n * y_stride) {
        n = tokens < MOST_TOKENS ? tokens : MOST_TOKENS;
        tile(y, y_stride, p, group_bytes, two, blocks, acts, act_stride, n, kind);
    }
    const uint32_t groups = tokens ? 1u + two : 0;
    KG_NO_UNROLL /* gcc refuses it before a loop with two conditions */
        for (uint32_t group = 0; group < groups; group++)
    {
        one_token(y + group * KG_GROUP, p + group * group_bytes, end, blocks, (const void *)acts, kind);
    }
}

KG_INLINE void rows(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                    const void *acts, size_t act_stride, uint32_t tokens, const struct kind kind)
{
    if (tokens == 1 && kind.one_token) {
        kind.one_token(y, y_stride, matrix, first, n, acts, act_stride, tokens);
        return;
    }
    const uint32_t blocks = matrix->columns / 256, whole = n - n % KG_GROUP;
    const size_t row_bytes = (size_t)blocks * kind.bytes;
    const uint8_t *p = matrix->data + first * row_bytes, *end = matrix->data + matrix->rows * row_bytes;
    for (uint32_t r = 0; r < whole; r += PAIR, p += PAIR * row_bytes) {
        tiles(y + first + r, y_stride, p, end, r + PAIR <= whole, blocks, acts, act_stride, tokens, kind);
    }
    if (whole < n) {
        kg_rows_q8k_ref(y, y_stride, matrix, first + whole, n - whole, acts, act_stride, tokens);
    }
}

#define NAME_OF_ROWS(type, suffix) kg_rows_##type##suffix
#define NAME_OF(type, suffix) NAME_OF_ROWS(type, suffix)
#define DEFINE_ROWS(type, ...)                                                                                        \
    void NAME_OF(type, SUFFIX)(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n, \
                               const void *acts, size_t act_stride, uint32_t tokens)                                  \
    {                                                                                                                 \
        const struct kind kind = {__VA_ARGS__};                                                                       \
        rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind);                                          \
    }

/* Q4_K has its fields in the order of memory, and AVX2 reads one token's matrix faster: 29 instead of 26 of 30 GB/s on
 * Zen 4. */
/* fits: 4 * 127 * the largest value * fits < 32768 */
DEFINE_ROWS(q2_k, .bytes = 84, .parts = 16, .has_minimum = true, .fits = 2, .scales = scales_q2_k,
            .values = values_q2_k)
DEFINE_ROWS(q3_k, .bytes = 110, .parts = 16, .has_sign = true, .offset = 2, .fits = 2, .scales = scales_q3_k,
            .values = values_q3_k)
DEFINE_ROWS(q4_k, .bytes = 144, .parts = 8, .has_minimum = true, .fits = 4, .one_token = kg_rows_q4_k_avx2,
            .scales = scales_q4_k, .values = values_q4_k)
DEFINE_ROWS(q5_k, .bytes = 176, .parts = 8, .has_minimum = true, .fits = 2, .scales = scales_q4_k,
            .values = values_q5_k)
DEFINE_ROWS(q6_k, .bytes = 210, .parts = 16, .has_sign = true, .offset = 5, .fits = 1, .scales = scales_q6_k,
            .values = values_q6_k)
DEFINE_ROWS(iq4_xs, .bytes = 136, .parts = 8, .has_sign = true, .offset = 7, .scales = scales_iq4_xs,
            .values = values_iq4_xs)

#endif
