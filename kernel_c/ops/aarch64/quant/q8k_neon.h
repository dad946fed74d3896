/* Products of types with blocks of 256 by NEON: eight rows and up to four tokens together. The including file defines
 * SUFFIX of the functions' names, and what neon.h asks for.
 *
 * A block is processed in chunks with contiguous payload: 2 chunks of 128 values, or 4 of 64 for nibbles. Each step
 * unpacks and multiplies 32 values; the sums of products are multiplied by the scales. */
#ifndef KGPT_OPS_AARCH64_QUANT_Q8K_NEON_H
#define KGPT_OPS_AARCH64_QUANT_Q8K_NEON_H

#include "neon.h"
#include "ops/quant/act.h"
#include "ops/quant/versions.h"

#define MOST_TOKENS 4 /* computed together */

/* 8 bytes of each of eight rows. */
struct eights {
    uint8x16_t pair[PAIRS];
};

struct scales {
    struct eights scale[2]; /* for 16 values each; with nibbles only the first, for 32 values each */
    struct eights min[2];   /* factors of the activation sums: minima, or scales if the values have an offset */
    struct row_floats d, m;
};

/* 32 values of eight rows: eight columns for each pair of rows. */
struct values {
    uint8x16_t of[4][PAIRS];
};

/* Properties of a type; constant in each specialized function. */
struct kind {
    uint32_t bytes; /* of a block */
    bool nibbles;   /* chunks of 64 values with scales for 32; otherwise chunks of 128 with scales for 16 */
    bool has_minimum;
    bool has_sign; /* values are signed bytes, without offset */
    int offset;    /* 1 << offset is subtracted from a value without minimum */
    void (*scales)(struct scales *to, const uint8_t *p);
    void (*values)(struct values *to, const uint8_t *p, uint32_t chunk, const uint32_t part);
};

#include "q8k_types_neon.h"

/* Scale `index` of the two rows: of the first in two lanes, then of the second. Scales are signed. */
KG_INLINE int32x4_t scale_of_rows(uint8x16_t scales, const uint8_t index)
{
    const uint8_t none = 0xFF, first = index, second = index + 8;
    const uint8x16_t from = {none, none, none, first,  none, none, none, first,
                             none, none, none, second, none, none, none, second};
    return vshrq_n_s32(vreinterpretq_s32_u8(vqtbl1q_u8(scales, from)), 24);
}

/* Products of activation sums and the 16 minima of a row, or its 8 minima for two sums each. */
KG_INLINE struct row_sums multiply_sums(const struct scales *s, const struct kg_act_q8k *a, const struct kind kind)
{
    const int16x8_t low = vld1q_s16(a->sums), high = vld1q_s16(a->sums + 8);
    int32x4_t sum[KG_GROUP];
    KG_UNROLL
    for (uint32_t r = 0; r < KG_GROUP; r++) {
        const int8x16_t first = vreinterpretq_s8_u8(s->min[0].pair[r / 2]);
        const int16x8_t m = r % 2 ? vmovl_high_s8(first) : vmovl_s8(vget_low_s8(first));
        if (kind.nibbles) {
            const int16x8_t x = vpaddq_s16(low, high);
            sum[r] = vmlal_high_s16(vmull_s16(vget_low_s16(m), vget_low_s16(x)), m, x);
        } else {
            const int8x16_t last = vreinterpretq_s8_u8(s->min[1].pair[r / 2]);
            const int16x8_t n = r % 2 ? vmovl_high_s8(last) : vmovl_s8(vget_low_s8(last));
            sum[r] = vmlal_high_s16(vmull_s16(vget_low_s16(m), vget_low_s16(low)), m, low);
            sum[r] = vmlal_high_s16(vmlal_s16(sum[r], vget_low_s16(n), vget_low_s16(high)), n, high);
        }
    }
    return (struct row_sums){{vpaddq_s32(vpaddq_s32(sum[0], sum[1]), vpaddq_s32(sum[2], sum[3])),
                              vpaddq_s32(vpaddq_s32(sum[4], sum[5]), vpaddq_s32(sum[6], sum[7]))}};
}

/* Adds 32 values times the activations at q, times their one or two scales. */
KG_INLINE void add_part(int32x4_t sum[PAIRS], const struct values *v, const int8_t *q, size_t act_stride,
                        int32x4_t scale[2][PAIRS], const bool two, const struct kind kind)
{
    int8x16_t x[4];
    KG_UNROLL
    for (uint32_t k = 0; k < 4; k++) {
        x[k] = load_columns(q + 8 * k, act_stride, two);
    }
    KG_UNROLL
    for (uint32_t pair = 0; pair < PAIRS; pair++) {
        int32x4_t products[2] = {0};
        KG_UNROLL
        for (uint32_t k = 0; k < 4; k++) {
            int32x4_t *to = &products[kind.nibbles ? 0 : k / 2];
            *to = multiply_columns(*to, vreinterpretq_s8_u8(v->of[k][pair]), x[k], two);
        }
        sum[pair] = vmlaq_s32(sum[pair], products[0], scale[0][pair]);
        if (!kind.nibbles) {
            sum[pair] = vmlaq_s32(sum[pair], products[1], scale[1][pair]);
        }
    }
}

/* Adds Σ scale q a for eight rows and `tokens` tokens, without the offset. */
KG_INLINE void multiply_block(int32x4_t sum[][PAIRS], const struct scales *s, const uint8_t *p, const uint8_t *acts,
                              size_t act_stride, const uint32_t tokens, const struct kind kind)
{
    const bool two = KG_HAS_MATRIX && tokens > 1;
    const uint32_t chunks = kind.nibbles ? 4 : 2, parts = 8 / chunks;
    for (uint32_t chunk = 0; chunk < chunks; chunk++) {
        struct eights scales = s->scale[kind.nibbles ? 0 : chunk];
        const uint32_t moved = kind.nibbles ? PAIRS : 0;
        KG_UNROLL
        for (uint32_t pair = 0; pair < moved; pair++) { /* the chunk's two scales move to the front */
            const int64x2_t by = vdupq_n_s64(-16 * (int64_t)chunk);
            scales.pair[pair] = vreinterpretq_u8_u64(vshlq_u64(vreinterpretq_u64_u8(scales.pair[pair]), by));
        }
        KG_UNROLL
        for (uint32_t part = 0; part < parts; part++) {
            const uint8_t first = kind.nibbles ? part : 2 * part;
            struct values v;
            int32x4_t scale[2][PAIRS];
            kind.values(&v, p, chunk, part);
            KG_UNROLL
            for (uint32_t pair = 0; pair < PAIRS; pair++) {
                scale[0][pair] = scale_of_rows(scales.pair[pair], first);
                scale[1][pair] = scale_of_rows(scales.pair[pair], first + 1);
            }
            KG_UNROLL
            for (uint32_t t = 0; t < tokens; t += two ? 2 : 1) {
                const struct kg_act_q8k *a = (const void *)(acts + t * act_stride);
                add_part(sum[t], &v, a->q + 256 / chunks * chunk + 32 * part, act_stride, scale, two, kind);
            }
        }
    }
}

KG_INLINE void add_block(struct row_floats *sum, struct row_sums i, const struct scales *s, const struct kg_act_q8k *a,
                         const struct kind kind)
{
    const struct row_sums none = {{vdupq_n_s32(0), vdupq_n_s32(0)}},
                          j = kind.has_sign ? none : multiply_sums(s, a, kind);
    KG_UNROLL
    for (uint32_t h = 0; h < 2; h++) {
        const int32x4_t exact =
            kind.has_minimum ? i.of[h] : vsubq_s32(i.of[h], vshlq_s32(j.of[h], vdupq_n_s32(kind.offset)));
        float32x4_t v = s->d.of[h] * vcvtq_f32_s32(exact);
        v = kind.has_minimum ? v - s->m.of[h] * vcvtq_f32_s32(j.of[h]) : v;
        sum->of[h] = sum->of[h] + v * vdupq_n_f32(a->d);
    }
}

/* Eight rows and `tokens` tokens; `tokens` is constant. */
KG_INLINE void tile(float *y, size_t y_stride, const uint8_t *p, uint32_t blocks, const uint8_t *acts,
                    size_t act_stride, const uint32_t tokens, const struct kind kind)
{
    const bool two = KG_HAS_MATRIX && tokens > 1;
    struct row_floats sum[MOST_TOKENS] = {0};
    for (uint32_t b = 0; b < blocks; b++, p += KG_GROUP * kind.bytes, acts += sizeof(struct kg_act_q8k)) {
        struct scales s;
        int32x4_t products[MOST_TOKENS][PAIRS] = {0};
        kind.scales(&s, p);
        multiply_block(products, &s, p, acts, act_stride, tokens, kind);
        KG_UNROLL
        for (uint32_t t = 0; t < tokens; t++) {
            const struct row_sums i = rows_of_sums(products[two ? t & ~1u : t], two, two && t % 2);
            add_block(&sum[t], i, &s, (const void *)(acts + t * act_stride), kind);
        }
    }
    KG_UNROLL
    for (uint32_t t = 0; t < tokens; t++) {
        vst1q_f32(y + t * y_stride, sum[t].of[0]);
        vst1q_f32(y + t * y_stride + 4, sum[t].of[1]);
    }
}

#include "rows_neon.h"

#define MULTIPLY_ROWS(...) rows(__VA_ARGS__, 256, kg_rows_q8k_ref)
#include "ops/quant/define_rows.h"

DEFINE_ROWS(q2_k, .bytes = 84, .has_minimum = true, .scales = scales_q2_k, .values = values_q2_k)
DEFINE_ROWS(q3_k, .bytes = 110, .offset = 2, .scales = scales_q3_k, .values = values_q3_k)
DEFINE_ROWS(q4_k, .bytes = 144, .nibbles = true, .has_minimum = true, .scales = scales_q4_k, .values = values_q4_k)
DEFINE_ROWS(q5_k, .bytes = 176, .nibbles = true, .has_minimum = true, .scales = scales_q4_k, .values = values_q5_k)
DEFINE_ROWS(q6_k, .bytes = 210, .offset = 5, .scales = scales_q6_k, .values = values_q6_k)
DEFINE_ROWS(iq4_xs, .bytes = 136, .nibbles = true, .has_sign = true, .scales = scales_iq4_xs, .values = values_iq4_xs)

#endif
