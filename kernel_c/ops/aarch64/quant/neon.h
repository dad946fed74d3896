/* Products of eight interleaved rows with bytes, by NEON. A vector has eight columns of two rows, as they lie in
 * memory: rows 0 and 1, 2 and 3, 4 and 5, 6 and 7. Sums have four lanes of 32 bits for two rows, in one of two layouts:
 *   of one token:   the even and the odd fours of columns of the first row, then of the second;
 *   of two tokens:  tokens t and t + 1 of the first row, then of the second (only with KG_HAS_MATRIX).
 * The including file defines
 *   KG_HAS_DOT      1 if there is SDOT
 *   KG_HAS_MATRIX   1 if there is SMMLA, which takes two tokens at once */
#ifndef KGPT_OPS_AARCH64_QUANT_NEON_H
#define KGPT_OPS_AARCH64_QUANT_NEON_H

#include <arm_neon.h>
#include <stdbool.h>

#include "kgpt/quant.h"
#include "ops/quant/inline.h"

#define PAIRS 4 /* of rows in a group */

KG_INLINE uint8x16_t bytes_of(uint8_t value)
{
    return vdupq_n_u8(value);
}

/* Four products of signed bytes are added to each lane. Without SDOT two of them are added in 16 bits first: their sum
 * fits, since no activation is -128. */
KG_INLINE int32x4_t dot_bytes(int32x4_t sum, int8x16_t v, int8x16_t x)
{
#if KG_HAS_DOT
    return vdotq_s32(sum, v, x);
#else
    const int16x8_t first = vmull_s8(vget_low_s8(v), vget_low_s8(x)), second = vmull_high_s8(v, x);
    return vpadalq_s16(sum, vpaddq_s16(first, second));
#endif
}

/* As dot_bytes for one token, else two tokens. */
KG_INLINE int32x4_t multiply_columns(int32x4_t sum, int8x16_t v, int8x16_t x, const bool two)
{
#if KG_HAS_MATRIX
    return two ? vmmlaq_s32(sum, v, x) : dot_bytes(sum, v, x);
#else
    (void)two;
    return dot_bytes(sum, v, x);
#endif
}

/* Eight activations of a token for both rows, or of it and the token `stride` bytes further. */
KG_INLINE int8x16_t load_columns(const int8_t *q, size_t stride, const bool two)
{
    const int8x8_t first = vld1_s8(q);
    return vcombine_s8(first, two ? vld1_s8(q + stride) : first);
}

/* Rows 0 to 3 and 4 to 7 of a token: `second` of two. */
struct row_sums {
    int32x4_t of[2];
};

KG_INLINE struct row_sums rows_of_sums(const int32x4_t sums[PAIRS], const bool two, const bool second)
{
    struct row_sums rows;
    KG_UNROLL
    for (uint32_t i = 0; i < 2; i++) {
        const int32x4_t a = sums[2 * i], b = sums[2 * i + 1];
        rows.of[i] = !two ? vpaddq_s32(a, b) : second ? vuzp2q_s32(a, b) : vuzp1q_s32(a, b);
    }
    return rows;
}

/* Eight floats. */
struct row_floats {
    float32x4_t of[2];
};

KG_INLINE struct row_floats load_halves(const uint8_t *p)
{
    const uint16x8_t halves = vreinterpretq_u16_u8(vld1q_u8(p));
    return (struct row_floats){{vcvt_f32_f16(vreinterpret_f16_u16(vget_low_u16(halves))),
                                vcvt_f32_f16(vreinterpret_f16_u16(vget_high_u16(halves)))}};
}

#endif
