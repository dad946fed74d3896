/* The fields of types with blocks of 256, for q8k_neon.h: a part of it, which has its structures. */
#ifndef KGPT_OPS_AARCH64_QUANT_Q8K_TYPES_NEON_H
#define KGPT_OPS_AARCH64_QUANT_Q8K_TYPES_NEON_H

#include "ops/quant/codebook.h"

#define UNIT 64 /* bytes: 8 of each of eight rows */

KG_INLINE uint8x16_t load_pair(const uint8_t *p, uint32_t unit, uint32_t pair)
{
    return vld1q_u8(p + UNIT * unit + 16 * pair);
}

/* `n` may be no constant. */
KG_INLINE uint8x16_t shift_right(uint8x16_t v, uint32_t n)
{
    return vshlq_u8(v, vdupq_n_s8((int8_t)-(int32_t)n));
}

KG_INLINE uint8x16_t shift_left(uint8x16_t v, uint32_t n)
{
    return vshlq_u8(v, vdupq_n_s8((int8_t)n));
}

/* 32-bit words of eight rows. */
struct words {
    uint8x16_t of[2];
};

KG_INLINE struct words load_row_words(const uint8_t *p)
{
    return (struct words){{vld1q_u8(p), vld1q_u8(p + 16)}};
}

/* Joins words: `low` becomes the low half of each row's 8 bytes. Four rows, two pairs from `pair` on. */
KG_INLINE void join_words(struct eights *to, const uint32_t pair, uint8x16_t low, uint8x16_t high)
{
    const uint32x4_t a = vreinterpretq_u32_u8(low), b = vreinterpretq_u32_u8(high);
    to->pair[pair] = vreinterpretq_u8_u32(vzip1q_u32(a, b));
    to->pair[pair + 1] = vreinterpretq_u8_u32(vzip2q_u32(a, b));
}

KG_INLINE void scales_q2_k(struct scales *to, const uint8_t *p)
{
    KG_UNROLL
    for (uint32_t i = 0; i < 2 * PAIRS; i++) {
        const uint8x16_t v = load_pair(p, i / PAIRS, i % PAIRS);
        to->scale[i / PAIRS].pair[i % PAIRS] = vandq_u8(v, bytes_of(15));
        to->min[i / PAIRS].pair[i % PAIRS] = vshrq_n_u8(v, 4);
    }
    to->d = load_halves(p + 640);
    to->m = load_halves(p + 656);
}

KG_INLINE void values_q2_k(struct values *to, const uint8_t *p, uint32_t chunk, const uint32_t part)
{
    KG_UNROLL
    for (uint32_t i = 0; i < 4 * PAIRS; i++) {
        const uint8x16_t crumbs = load_pair(p + 128 + 256 * chunk, i / PAIRS, i % PAIRS);
        to->of[i / PAIRS][i % PAIRS] = vandq_u8(shift_right(crumbs, 2 * part), bytes_of(3));
    }
}

KG_INLINE void scales_q3_k(struct scales *to, const uint8_t *p)
{
    const uint8x16_t low = bytes_of(15), high = bytes_of(0x30), offset = bytes_of(32);
    const struct words first = load_row_words(p + 768), second = load_row_words(p + 800),
                       third = load_row_words(p + 832);
    KG_UNROLL
    for (uint32_t i = 0; i < 2; i++) {
        const uint8x16_t a = first.of[i], b = second.of[i], c = third.of[i];
        join_words(&to->scale[0], 2 * i, ((a & low) | (shift_left(c, 4) & high)) - offset,
                   ((b & low) | (shift_left(c, 2) & high)) - offset);
        join_words(&to->scale[1], 2 * i, (shift_right(a, 4) | (c & high)) - offset,
                   (shift_right(b, 4) | (shift_right(c, 2) & high)) - offset);
    }
    to->min[0] = to->scale[0];
    to->min[1] = to->scale[1];
    to->d = load_halves(p + 864);
}

/* The third bit of a value is bit 4 * chunk + part. */
KG_INLINE void values_q3_k(struct values *to, const uint8_t *p, uint32_t chunk, const uint32_t part)
{
    KG_UNROLL
    for (uint32_t i = 0; i < 4 * PAIRS; i++) {
        const uint8x16_t crumbs = load_pair(p + 256 + 256 * chunk, i / PAIRS, i % PAIRS);
        uint8x16_t upper = shift_right(load_pair(p, i / PAIRS, i % PAIRS), 4 * chunk);
        upper = (part < 2 ? shift_left(upper, 2 - part) : shift_right(upper, part - 2)) & bytes_of(4);
        to->of[i / PAIRS][i % PAIRS] = (shift_right(crumbs, 2 * part) & bytes_of(3)) | upper;
    }
}

/* 12 bytes of scales and minima, as in Q5_K. */
KG_INLINE void scales_q4_k(struct scales *to, const uint8_t *p)
{
    const uint8x16_t six = bytes_of(63), low = bytes_of(15), high = bytes_of(0x30);
    const struct words first = load_row_words(p + 32), second = load_row_words(p + 64), third = load_row_words(p + 96);
    KG_UNROLL
    for (uint32_t i = 0; i < 2; i++) {
        const uint8x16_t a = first.of[i], b = second.of[i], c = third.of[i];
        join_words(&to->scale[0], 2 * i, a & six, (c & low) | (shift_right(a, 2) & high));
        join_words(&to->min[0], 2 * i, b & six, shift_right(c, 4) | (shift_right(b, 2) & high));
    }
    to->d = load_halves(p);
    to->m = load_halves(p + 16);
}

KG_INLINE void values_q4_k(struct values *to, const uint8_t *p, uint32_t chunk, const uint32_t part)
{
    KG_UNROLL
    for (uint32_t i = 0; i < 4 * PAIRS; i++) {
        const uint8x16_t nibbles = load_pair(p + 128 + 256 * chunk, i / PAIRS, i % PAIRS);
        to->of[i / PAIRS][i % PAIRS] = part ? vshrq_n_u8(nibbles, 4) : vandq_u8(nibbles, bytes_of(15));
    }
}

/* The fifth bit of a value is bit 2 * chunk + part. */
KG_INLINE void values_q5_k(struct values *to, const uint8_t *p, uint32_t chunk, const uint32_t part)
{
    values_q4_k(to, p + 256, chunk, part);
    KG_UNROLL
    for (uint32_t i = 0; i < 4 * PAIRS; i++) {
        const uint8x16_t bits = shift_right(load_pair(p + 128, i / PAIRS, i % PAIRS), 2 * chunk);
        to->of[i / PAIRS][i % PAIRS] |= shift_left(bits, 4 - part) & bytes_of(16);
    }
}

KG_INLINE void scales_q6_k(struct scales *to, const uint8_t *p)
{
    KG_UNROLL
    for (uint32_t i = 0; i < 2 * PAIRS; i++) {
        to->scale[i / PAIRS].pair[i % PAIRS] = to->min[i / PAIRS].pair[i % PAIRS] =
            load_pair(p + 1536, i / PAIRS, i % PAIRS);
    }
    to->d = load_halves(p + 1664);
}

/* Low nibbles are parts 0 and 1, high nibbles parts 2 and 3. The upper two bits of a part are bits 2 * part and 2 *
 * part + 1. */
KG_INLINE void values_q6_k(struct values *to, const uint8_t *p, uint32_t chunk, const uint32_t part)
{
    KG_UNROLL
    for (uint32_t i = 0; i < 4 * PAIRS; i++) {
        const uint8x16_t nibbles = load_pair(p + 512 * chunk + 256 * (part % 2), i / PAIRS, i % PAIRS);
        uint8x16_t bits = load_pair(p + 1024 + 256 * chunk, i / PAIRS, i % PAIRS);
        bits = (part < 3 ? shift_left(bits, 4 - 2 * part) : shift_right(bits, 2)) & bytes_of(0x30);
        to->of[i / PAIRS][i % PAIRS] = (part < 2 ? nibbles & bytes_of(15) : vshrq_n_u8(nibbles, 4)) | bits;
    }
}

/* Eight scales of six bits for each row. The lower 4 bits are nibbles of a word; the upper 2 are in two bytes, the
 * first bytes of all rows before the second ones. */
KG_INLINE void scales_iq4_xs(struct scales *to, const uint8_t *p)
{
    const int64x2_t turn = vdupq_n_s64((int64_t)0xFAFCFE00FAFCFE00u); /* 0, -2, -4, -6, twice */
    const uint8x16_t upper = vld1q_u8(p + 16);
    const struct words lower = load_row_words(p + 32);
    KG_UNROLL
    for (uint8_t pair = 0; pair < PAIRS; pair++) {
        const uint8_t a = 2 * pair, b = a + 1, c = a + 8, d = b + 8;
        const uint8x16_t from = {a, a, a, a, c, c, c, c, b, b, b, b, d, d, d, d};
        const uint8x16_t high = vshlq_u8(vqtbl1q_u8(upper, from), vreinterpretq_s8_s64(turn)) & bytes_of(3);
        const uint8x16_t v = lower.of[pair / 2], even = v & bytes_of(15), odd = vshrq_n_u8(v, 4);
        const uint8x16_t low = pair % 2 ? vzip2q_u8(even, odd) : vzip1q_u8(even, odd);
        to->scale[0].pair[pair] = (low | vshlq_n_u8(high, 4)) - bytes_of(32);
    }
    to->d = load_halves(p);
}

/* Of 16 bytes, low nibbles are the first 16 values. */
KG_INLINE void values_iq4_xs(struct values *to, const uint8_t *p, uint32_t chunk, const uint32_t part)
{
    static const int8_t codebook[16] = {KG_IQ4_VALUES};
    const uint8x16_t values = vreinterpretq_u8_s8(vld1q_s8(codebook));
    KG_UNROLL
    for (uint32_t i = 0; i < 2 * PAIRS; i++) {
        const uint8x16_t v = load_pair(p + 64 + 256 * chunk + 128 * part, i / PAIRS, i % PAIRS);
        to->of[i / PAIRS][i % PAIRS] = vqtbl1q_u8(values, v & bytes_of(15));
        to->of[2 + i / PAIRS][i % PAIRS] = vqtbl1q_u8(values, vshrq_n_u8(v, 4));
    }
}

#endif
