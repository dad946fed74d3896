/* Products of types with blocks of 32 by NEON: eight rows and up to four tokens together, so that each block is
 * unpacked once for all of them. The including file defines SUFFIX of the functions' names, and what neon.h asks
 * for. */
#ifndef KGPT_OPS_AARCH64_QUANT_Q8_NEON_H
#define KGPT_OPS_AARCH64_QUANT_Q8_NEON_H

#include "neon.h"
#include "ops/quant/act.h"
#include "ops/quant/codebook.h"
#include "ops/quant/versions.h"

#define MOST_TOKENS 4 /* computed together */

/* Properties of a type; constant in each specialized function. */
struct kind {
    uint32_t bytes; /* of a block */
    uint32_t bits;  /* of a value; with 8 it is signed */
    bool has_minimum;
    bool exponents;         /* scales are E8M0, not halves */
    int32_t offset;         /* subtracted from a value */
    const int8_t *codebook; /* nibbles are indices of these 16 values; NULL: nibbles are values */
};

/* A block of eight rows, unpacked: eight columns for each pair of rows. */
struct weights {
    uint8x16_t value[4][PAIRS];
    struct row_floats d, m;
};

KG_INLINE void unpack_nibbles(struct weights *w, const uint8_t *p)
{
    KG_UNROLL
    for (uint32_t i = 0; i < 2 * PAIRS; i++) {
        const uint8x16_t v = vld1q_u8(p + 16 * i);
        w->value[i / PAIRS][i % PAIRS] = vandq_u8(v, bytes_of(15));
        w->value[2 + i / PAIRS][i % PAIRS] = vshrq_n_u8(v, 4);
    }
}

/* Adds the fifth bits: 32 for each row, those of eight columns in a byte. */
KG_INLINE void add_fifth_bits(struct weights *w, const uint8_t *p)
{
    const uint8x16_t bits = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201u));
    KG_UNROLL
    for (uint32_t i = 0; i < 4 * PAIRS; i++) {
        const uint8_t pair = i % PAIRS, first = (uint8_t)(i / PAIRS + 8 * (pair % 2)); /* of the pair's first row */
        const uint8x16_t rows = vld1q_u8(p + 16 * (pair / 2)),
                         from = vcombine_u8(vdup_n_u8(first), vdup_n_u8(first + 4));
        const uint8x16_t fifth = vandq_u8(vtstq_u8(vqtbl1q_u8(rows, from), bits), bytes_of(16));
        w->value[i / PAIRS][pair] = vorrq_u8(w->value[i / PAIRS][pair], fifth);
    }
}

KG_INLINE void look_up(struct weights *w, const int8_t *codebook)
{
    const uint8x16_t values = vreinterpretq_u8_s8(vld1q_s8(codebook));
    KG_UNROLL
    for (uint32_t i = 0; i < 4 * PAIRS; i++) {
        w->value[i / PAIRS][i % PAIRS] = vqtbl1q_u8(values, w->value[i / PAIRS][i % PAIRS]);
    }
}

/* Half of the scales of eight exponents, 0 instead of a subnormal one. */
KG_INLINE struct row_floats load_exponents(const uint8_t *p)
{
    const uint16x8_t e = vmovl_u8(vld1_u8(p));
    const uint32x4_t parts[2] = {vmovl_u16(vget_low_u16(e)), vmovl_high_u16(e)}, one = vdupq_n_u32(1);
    struct row_floats d;
    KG_UNROLL
    for (uint32_t i = 0; i < 2; i++) {
        const uint32x4_t bits = vshlq_n_u32(vsubq_u32(parts[i], one), 23);
        d.of[i] = vreinterpretq_f32_u32(vandq_u32(vcgtq_u32(parts[i], one), bits));
    }
    return d;
}

KG_INLINE void unpack(struct weights *w, const uint8_t *p, const struct kind kind)
{
    w->d = kind.exponents ? load_exponents(p) : load_halves(p);
    p += kind.exponents ? 8 : 16;
    if (kind.has_minimum) {
        w->m = load_halves(p);
        p += 16;
    }
    if (kind.bits == 8 && !kind.codebook) {
        KG_UNROLL
        for (uint32_t i = 0; i < 4 * PAIRS; i++) {
            w->value[i / PAIRS][i % PAIRS] = vld1q_u8(p + 16 * i);
        }
        return;
    }
    unpack_nibbles(w, kind.bits == 5 ? p + 32 : p);
    if (kind.bits == 5) {
        add_fifth_bits(w, p);
    }
    if (kind.codebook) {
        look_up(w, kind.codebook);
    }
}

/* Adds a block with the integer sums `i` to the rows' sums. */
KG_INLINE void add_block(struct row_floats *sum, struct row_sums i, const struct weights *w, const struct kg_act_q8 *a,
                         const struct kind kind)
{
    KG_UNROLL
    for (uint32_t h = 0; h < 2; h++) {
        const int32x4_t exact = vsubq_s32(i.of[h], vdupq_n_s32(a->sum * kind.offset));
        float32x4_t v = w->d.of[h] * vcvtq_f32_s32(exact);
        v = kind.has_minimum ? v + w->m.of[h] * vdupq_n_f32(a->s) : v;
        sum->of[h] = sum->of[h] + v * vdupq_n_f32(a->d);
    }
}

/* One block for the token at `act`, or two. */
KG_INLINE void multiply_block(int32x4_t sums[PAIRS], const struct weights *w, const uint8_t *act, size_t act_stride,
                              const bool two)
{
    const struct kg_act_q8 *a = (const void *)act;
    KG_UNROLL
    for (uint32_t k = 0; k < 4; k++) {
        const int8x16_t x = load_columns(a->q + 8 * k, act_stride, two);
        KG_UNROLL
        for (uint32_t pair = 0; pair < PAIRS; pair++) {
            sums[pair] = multiply_columns(sums[pair], vreinterpretq_s8_u8(w->value[k][pair]), x, two);
        }
    }
}

/* Eight rows and `tokens` tokens; `tokens` is constant. */
KG_INLINE void tile(float *y, size_t y_stride, const uint8_t *p, uint32_t blocks, const uint8_t *acts,
                    size_t act_stride, const uint32_t tokens, const struct kind kind)
{
    const bool two = KG_HAS_MATRIX && tokens > 1;
    const uint32_t at_once = two ? 2 : 1;
    struct row_floats sum[MOST_TOKENS] = {0};
    for (uint32_t b = 0; b < blocks; b++, p += KG_GROUP * kind.bytes, acts += sizeof(struct kg_act_q8)) {
        struct weights w;
        unpack(&w, p, kind);
        KG_UNROLL
        for (uint32_t t = 0; t < tokens; t += at_once) {
            int32x4_t sums[PAIRS] = {0};
            multiply_block(sums, &w, acts + t * act_stride, act_stride, two);
            KG_UNROLL
            for (uint32_t second = 0; second < at_once; second++) {
                const struct kg_act_q8 *a = (const void *)(acts + (t + second) * act_stride);
                add_block(&sum[t + second], rows_of_sums(sums, two, second), &w, a, kind);
            }
        }
    }
    KG_UNROLL
    for (uint32_t t = 0; t < tokens; t++) {
        vst1q_f32(y + t * y_stride, sum[t].of[0]);
        vst1q_f32(y + t * y_stride + 4, sum[t].of[1]);
    }
}

#include "rows_neon.h"

#define MULTIPLY_ROWS(...) rows(__VA_ARGS__, 32, kg_rows_q8_ref)
#include "ops/quant/define_rows.h"

static const int8_t iq4_values[16] = {KG_IQ4_VALUES};
static const int8_t mxfp4_values[16] = {KG_MXFP4_VALUES};

DEFINE_ROWS(q4_0, .bytes = 18, .bits = 4, .offset = 8)
DEFINE_ROWS(q4_1, .bytes = 20, .bits = 4, .has_minimum = true)
DEFINE_ROWS(q5_0, .bytes = 22, .bits = 5, .offset = 16)
DEFINE_ROWS(q5_1, .bytes = 24, .bits = 5, .has_minimum = true)
DEFINE_ROWS(q8_0, .bytes = 34, .bits = 8)
DEFINE_ROWS(iq4_nl, .bytes = 18, .bits = 4, .codebook = iq4_values)
DEFINE_ROWS(mxfp4, .bytes = 17, .bits = 4, .exponents = true, .codebook = mxfp4_values)

#endif
