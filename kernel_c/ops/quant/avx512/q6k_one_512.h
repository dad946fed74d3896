/* A block of Q6_K for one token in 512-bit vectors: its fields in the order of memory (q8k_one_512.h). First the low
 * four bits of all values, then the upper two, are multiplied by activations; scales, which come last, multiply the
 * sums of the sixteen parts. A vector has eight columns of each row, two lanes for a row. */
#ifndef KGPT_OPS_QUANT_Q6K_ONE_512_H
#define KGPT_OPS_QUANT_Q6K_ONE_512_H

#include "ops/quant/act.h"
#include "ops/quant/avx512/avx512.h"

#define Q6_K_PARTS 16 /* of 16 values, two vectors */

/* Bytes for each row: from `low` for even rows, from `high` for odd ones; byte 0x80 becomes 0. */
KG_INLINE b8x64 for_rows(b8x64 v, const uint64_t low, const uint64_t high)
{
    const long long even = (long long)low, odd = (long long)high;
    return pick_bytes(v, (b8x64)(i64x8){even, odd, even, odd, even, odd, even, odd});
}

/* Byte `n` of each row's eight scales, with its sign, for both lanes. */
KG_INLINE i32x16 signed_scale(b8x64 eight, const uint32_t n)
{
    const uint64_t low = 0x0080808000808080 + 0x0100000001000000 * n;
    return (i32x16)for_rows(eight, low, low + 0x0800000008000000) >> 24;
}

/* Four of each row's eight scales, from byte `n` on, as 16-bit words. */
KG_INLINE i16x32 signed_words(b8x64 eight, const uint32_t n)
{
    const uint64_t low = 0x0380028001800080 + 0x0100010001000100 * n;
    return (i16x32)for_rows(eight, low, low + 0x0800080008000800) >> 8;
}

/* Nibbles: of a half's first 64 bytes for a row the low ones are its parts 0 to 3, the high ones 4 to 7. */
KG_INLINE void multiply_nibbles(i32x16 part[Q6_K_PARTS], const uint8_t *p, const int8_t *q)
{
    KG_UNROLL
    for (uint32_t i = 0; i < 16; i += 2) {
        const uint32_t n = i / 8 * 8 + i % 8 / 2;
        const b8x64 v[2] = {load(p + 64 * i), load(p + 64 * i + 64)};
        part[n] = part[n + 4] = words_of(0);
        KG_UNROLL
        for (uint32_t k = 0; k < 2; k++) {
            part[n] = dot_eight(part[n], v[k] & bytes_of(0x0f), eight_bytes(q + 16 * n + 8 * k));
            part[n + 4] = dot_eight(part[n + 4], v[k] & bytes_of(0xf0), eight_bytes(q + 16 * (n + 4) + 8 * k));
        }
        part[n + 4] >>= 4;
    }
}

/* Upper bits: bits 2 k and 2 k + 1 of a half's 32 bytes for a row are its parts 2 k and 2 k + 1. */
KG_INLINE void multiply_upper_bits(i32x16 part[Q6_K_PARTS], const uint8_t *p, const int8_t *q)
{
    KG_UNROLL
    for (uint32_t i = 0; i < 8; i += 2) {
        const b8x64 v[2] = {load(p + 64 * i), load(p + 64 * i + 64)};
        KG_UNROLL
        for (uint32_t k = 0; k < 4; k++) {
            const uint32_t n = i / 4 * 8 + 2 * k + i % 4 / 2;
            const b8x64 bits = bytes_of((uint8_t)(3 << (2 * k)));
            i32x16 sum = dot_eight(words_of(0), v[0] & bits, eight_bytes(q + 16 * n));
            sum = dot_eight(sum, v[1] & bits, eight_bytes(q + 16 * n + 8));
            part[n] += k < 2 ? sum << (int)(4 - 2 * k) : sum >> (int)(2 * k - 4);
        }
    }
}

/* Σ scale q a, as the definition has it. */
KG_INLINE i32x16 products_of_q6_k(const uint8_t *p, const struct kg_act_q8k *a)
{
    i32x16 part[Q6_K_PARTS], sum = words_of(0), offset = words_of(0);
    multiply_nibbles(part, p, a->q);
    multiply_upper_bits(part, p + 1024, a->q);
    KG_UNROLL
    for (uint32_t half = 0; half < 2; half++) {
        const b8x64 eight = load(p + 1536 + 64 * half);
        KG_UNROLL
        for (uint32_t n = 0; n < 8; n++) {
            sum += part[8 * half + n] * signed_scale(eight, n);
        }
        KG_UNROLL
        for (uint32_t n = 0; n < 8; n += 4) {
            offset = dot_words(offset, signed_words(eight, n), (i16x32)eight_bytes(a->sums + 8 * half + n));
        }
    }
    return sum - (offset << 5);
}

#endif
