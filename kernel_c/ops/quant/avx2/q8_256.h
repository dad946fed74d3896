/* Products of types with blocks of 32 in 256-bit vectors: eight rows and up to eight tokens together, so that each
 * block is unpacked once for all of them. The including file defines
 *   SUFFIX            of the functions' names
 *   KG_HAS_DOT        1 if there is VPDPBUSD, as dot_bytes(): then every value is unsigned, with an offset */
#ifndef KGPT_OPS_QUANT_Q8_256_H
#define KGPT_OPS_QUANT_Q8_256_H

#include "avx2.h"
#include "ops/quant/act.h"
#include "ops/quant/codebook.h"
#include "ops/quant/versions.h"

#define MOST_TOKENS 8 /* computed together */

/* Properties of a type; constant in each specialized function. */
struct kind {
    uint32_t bytes; /* of a block */
    uint32_t bits;  /* of a value; with 8 it is signed, unless KG_HAS_DOT */
    bool has_minimum;
    bool exponents;       /* scales are E8M0, not halves */
    int32_t offset;       /* subtracted from a value */
    const char *codebook; /* nibbles are indices of these 16 values; NULL: nibbles are values */
};

/* A block of eight rows, unpacked. */
struct weights {
    b8x32 value[4][2]; /* eight columns for rows 0-3 and 4-7; unsigned, except for 8 bits */
    f32x8 d, m;
};

KG_INLINE void unpack_nibbles(struct weights *w, const uint8_t *p)
{
    const b8x32 mask = bytes_of(15);
    KG_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        b8x32 v = load(p + 32 * i);
        w->value[i / 2][i % 2] = v & mask;
        w->value[2 + i / 2][i % 2] = shift_right(v, 4) & mask;
    }
}

/* Adds the fifth bits: 32 for each row. */
KG_INLINE void add_fifth_bits(struct weights *w, const uint8_t *p)
{
    const long long bit = (long long)0x8040201008040201u;
    const b8x32 bits = (b8x32)(i64x4){bit, bit, bit, bit};
    i64x4 rows = (i64x4)load(p);
    rows = __builtin_shufflevector(rows, rows, 0, 2, 1, 3); /* rows 0, 1, 4, 5 | 2, 3, 6, 7 */
    KG_UNROLL
    for (uint32_t i = 0; i < 8; i++) {
        const uint8_t first = (uint8_t)(i / 2 + 8 * (i % 2)); /* byte i / 2 of rows 0 and 1, or of 4 and 5 */
        const long long low = 0x0101010101010101 * first, high = 0x0101010101010101 * (first + 4);
        b8x32 spread = pick_bytes((b8x32)rows, (b8x32)(i64x4){low, high, low, high});
        w->value[i / 2][i % 2] |= (b8x32)((spread & bits) == bits) & bytes_of(16);
    }
}

KG_INLINE void look_up(struct weights *w, const char *codebook)
{
    const b8x32 values = twice(codebook);
    KG_UNROLL
    for (uint32_t i = 0; i < 8; i++) {
        w->value[i / 2][i % 2] = pick_bytes(values, w->value[i / 2][i % 2]);
    }
}

/* Half of the scales of eight exponents, 0 instead of a subnormal one, in fold()'s order. */
KG_INLINE f32x8 load_exponents(const uint8_t *p)
{
    const u8x8 bytes = *(const u8x8_at *)p;
    const i32x8 e = __builtin_convertvector(__builtin_shufflevector(bytes, bytes, 0, 1, 4, 5, 2, 3, 6, 7), i32x8);
    return (f32x8)((e > words_of(1)) & ((e - words_of(1)) << 23));
}

KG_INLINE void unpack(struct weights *w, const uint8_t *p, const struct kind kind)
{
    w->d = kind.exponents ? load_exponents(p) : load_halves(p);
    p += kind.exponents ? 8 : 16;
    if (kind.has_minimum) {
        w->m = load_halves(p);
        p += 16;
    }
    if (kind.codebook) {
        unpack_nibbles(w, p);
        look_up(w, kind.codebook);
        return;
    }
    if (kind.bits == 8) {
        KG_UNROLL
        for (uint32_t i = 0; i < 8; i++) {
            w->value[i / 2][i % 2] = KG_HAS_DOT ? load(p + 32 * i) ^ bytes_of(0x80) : load(p + 32 * i);
        }
        return;
    }
    unpack_nibbles(w, kind.bits == 5 ? p + 32 : p);
    if (kind.bits == 5) {
        add_fifth_bits(w, p);
    }
}

#if KG_HAS_DOT
KG_INLINE i32x8 multiply(const struct weights *w, const struct kg_act_q8 *a, const struct kind kind)
{
    i32x8 sum[2] = {0};
    (void)kind;
    KG_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        b8x32 x = eight_bytes(a->q + 8 * i);
        sum[0] = dot_bytes(sum[0], w->value[i][0], x);
        sum[1] = dot_bytes(sum[1], w->value[i][1], x);
    }
    return fold(sum[0], sum[1]);
}
#else
/* For each pair of columns, the sum of four products of 5 and 7 bits fits into 16 bits. */
KG_INLINE i32x8 multiply_short(const struct weights *w, const struct kg_act_q8 *a, const struct kind kind)
{
    i16x16 sum[2] = {0};
    KG_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        b8x32 x = eight_bytes(a->q + 8 * i);
        sum[0] += multiply_bytes(w->value[i][0], x);
        sum[1] += multiply_bytes(w->value[i][1], x);
    }
    i32x8 low = (i32x8)sum[0], high = (i32x8)sum[1];
    i16x16 even = (i16x16)__builtin_shufflevector(low, high, 0, 2, 8, 10, 4, 6, 12, 14);
    i16x16 odd = (i16x16)__builtin_shufflevector(low, high, 1, 3, 9, 11, 5, 7, 13, 15);
    return kind.bits == 4 ? add_pairs(even + odd) : add_pairs(even) + add_pairs(odd);
}

KG_INLINE i32x8 multiply_8_bits(const struct weights *w, const struct kg_act_q8 *a)
{
    i32x8 sum[2] = {0};
    KG_UNROLL
    for (uint32_t i = 0; i < 8; i++) {
        b8x32 v = w->value[i / 2][i % 2], x = eight_bytes(a->q + 8 * (i / 2));
        sum[i % 2] += add_pairs(multiply_signed(v, x));
    }
    return fold(sum[0], sum[1]);
}

KG_INLINE i32x8 multiply(const struct weights *w, const struct kg_act_q8 *a, const struct kind kind)
{
    return kind.bits == 8 ? multiply_8_bits(w, a) : multiply_short(w, a, kind);
}
#endif

/* Sums of a block for several tokens: a 32-bit lane is a row, in fold()'s order. Without KG_HAS_DOT 16-bit sums have
 * room for 32 columns of 4 bits, and for 16 of 5 bits, so `later` has the last 16 of these. */
struct sums {
#if KG_HAS_DOT
    i32x8 of[MOST_TOKENS];
#else
    i16x16 of[MOST_TOKENS], later[MOST_TOKENS];
#endif
};

/* Adds four columns, from column `c` on, of all tokens; c, tokens and kind are constant. */
KG_INLINE void add_columns(struct sums *sums, b8x32 v, const uint8_t *acts, size_t act_stride, const uint32_t c,
                           const uint32_t tokens, const struct kind kind)
{
    (void)kind;
    KG_UNROLL
    for (uint32_t t = 0; t < tokens; t++) {
        const struct kg_act_q8 *a = (const void *)(acts + t * act_stride);
        const b8x32 x = four_bytes(a->q + c);
#if KG_HAS_DOT
        sums->of[t] = dot_bytes(sums->of[t], v, x);
#else
        i16x16 *sum = kind.bits == 5 && c >= 16 ? sums->later : sums->of;
        sum[t] += multiply_bytes(v, x);
#endif
    }
}

KG_INLINE i32x8 total_of(const struct sums *sums, uint32_t t, const struct kind kind)
{
    (void)kind;
#if KG_HAS_DOT
    return sums->of[t];
#else
    const i32x8 total = add_pairs(sums->of[t]);
    return kind.bits == 5 ? total + add_pairs(sums->later[t]) : total;
#endif
}

/* Adds a block with the integer sums `i`. */
KG_INLINE f32x8 add_block(f32x8 sum, i32x8 i, const struct weights *w, const struct kg_act_q8 *a,
                          const struct kind kind)
{
    i -= words_of(a->sum * kind.offset);
    f32x8 v = w->d * to_floats(i);
    v = kind.has_minimum ? v + w->m * floats_of(a->s) : v;
    return sum + v * floats_of(a->d);
}

/* Integer sums of a block for `tokens` tokens, column by column, so that few registers hold values. */
KG_INLINE void multiply_columns(i32x8 *i, const struct weights *w, const uint8_t *acts, size_t act_stride,
                                const uint32_t tokens, const struct kind kind)
{
    struct sums sums = {0};
    KG_UNROLL
    for (uint32_t k = 0; k < 4; k++) {
        const i32x8 low = (i32x8)w->value[k][0], high = (i32x8)w->value[k][1];
        const i32x8 even = __builtin_shufflevector(low, high, 0, 2, 8, 10, 4, 6, 12, 14);
        const i32x8 odd = __builtin_shufflevector(low, high, 1, 3, 9, 11, 5, 7, 13, 15);
        add_columns(&sums, (b8x32)even, acts, act_stride, 8 * k, tokens, kind);
        add_columns(&sums, (b8x32)odd, acts, act_stride, 8 * k + 4, tokens, kind);
    }
    KG_UNROLL
    for (uint32_t t = 0; t < tokens; t++) {
        i[t] = total_of(&sums, t, kind);
    }
}

/* Eight rows and `tokens` tokens; `tokens` is constant. */
KG_INLINE void tile(float *y, size_t y_stride, const uint8_t *p, const uint8_t *end, uint32_t blocks,
                    const uint8_t *acts, size_t act_stride, const uint32_t tokens, const struct kind kind)
{
    /* Signs, or a table of values, need the registers. */
    const bool by_columns = tokens > 1 && (KG_HAS_DOT || (kind.bits < 8 && !kind.codebook));
    (void)end;
    f32x8 sum[MOST_TOKENS] = {0};
    for (uint32_t b = 0; b < blocks; b++, p += KG_GROUP * kind.bytes, acts += sizeof(struct kg_act_q8)) {
        struct weights w;
        i32x8 i[MOST_TOKENS];
        unpack(&w, p, kind);
        if (by_columns) {
            multiply_columns(i, &w, acts, act_stride, tokens, kind);
        }
        KG_UNROLL
        for (uint32_t t = 0; t < tokens; t++) {
            const struct kg_act_q8 *a = (const void *)(acts + t * act_stride);
            sum[t] = add_block(sum[t], by_columns ? i[t] : multiply(&w, a, kind), &w, a, kind);
        }
    }
    KG_UNROLL
    for (uint32_t t = 0; t < tokens; t++) {
        store_rows(y + t * y_stride, sum[t]);
    }
}

#include "rows_avx2.h"

#define MULTIPLY_ROWS(...) rows(__VA_ARGS__, 32, kg_rows_q8_ref)
#include "ops/quant/define_rows.h"

#define SIGNED_OFFSET (KG_HAS_DOT ? 128 : 0)
#define IQ4_VALUE(value) ((char)((value) + SIGNED_OFFSET))

static const char iq4_values[16] = {KG_MAP16(IQ4_VALUE, KG_IQ4_VALUES)};
static const char mxfp4_values[16] = {KG_MAP16(KG_MXFP4_UNSIGNED, KG_MXFP4_VALUES)};

DEFINE_ROWS(q4_0, .bytes = 18, .bits = 4, .offset = 8)
DEFINE_ROWS(q4_1, .bytes = 20, .bits = 4, .has_minimum = true)
DEFINE_ROWS(q5_0, .bytes = 22, .bits = 5, .offset = 16)
DEFINE_ROWS(q5_1, .bytes = 24, .bits = 5, .has_minimum = true)
DEFINE_ROWS(q8_0, .bytes = 34, .bits = 8, .offset = SIGNED_OFFSET)
DEFINE_ROWS(iq4_nl, .bytes = 18, .bits = 8, .offset = SIGNED_OFFSET, .codebook = iq4_values)
DEFINE_ROWS(mxfp4, .bytes = 17, .bits = 5, .exponents = true, .offset = KG_MXFP4_OFFSET, .codebook = mxfp4_values)

#endif
