/* How types with blocks of 256 are unpacked in 512-bit vectors: scales of two groups, values of one. */
#ifndef KGPT_OPS_QUANT_Q8K_TYPES_512_H
#define KGPT_OPS_QUANT_Q8K_TYPES_512_H

#include "ops/quant/avx512/avx512.h"
#include "ops/quant/codebook.h"

/* A part is 16 or 32 values with one scale. Each 32-bit lane of a vector has four scales (or minima) of one of sixteen
 * rows, in the order of even(). */
struct scales {
    b8x64 scale[4], min[4]; /* element i: parts 4 i to 4 i + 3 */
    f32x16 d, m;
};

/* 32 values of eight rows: eight columns in each vector. A block has eight steps. */
struct values {
    b8x64 of[4];
};

/* Properties of a type; constant in each specialized function. */
struct kind {
    uint32_t bytes; /* of a block */
    uint32_t parts; /* of a block: 8 or 16 */
    bool has_minimum;
    bool has_sign;          /* of scales */
    bool has_fifth;         /* bits, in a field of their own: q8k_one_512.h */
    uint32_t halves;        /* where a group's d lie in a block, for q8k_one_512.h */
    uint32_t most_in_order; /* blocks of a row that q8k_one_512.h takes: activations of more fill the L1 cache */
    int offset;             /* 1 << offset is subtracted from a value without minimum */
    void (*scales)(struct scales *to, const uint8_t *low, const uint8_t *high);
    void (*values)(struct values *to, const uint8_t *p, uint32_t step);
};

KG_INLINE b8x64 shift_left(b8x64 v, int n)
{
    return (b8x64)((u16x32)v << (unsigned short)n);
}

/* Shifts right, or left by -n: in one instruction if n is constant. */
KG_INLINE b8x64 shift_by(b8x64 v, int n)
{
    return shift_left(shift_right(v, n > 0 ? n : 0), n < 0 ? -n : 0);
}

/* The upper 2 bits of the scales of Q4_K, Q5_K, Q3_K and Q6_K's values: bits 4 and 5 of each byte. */
KG_INLINE b8x64 bits_4_and_5(b8x64 v)
{
    return v & bytes_of(0x30);
}

KG_INLINE b8x64 nibbles_of(b8x64 v)
{
    return v & bytes_of(15);
}

/* 8 bytes of each row of both groups: words 0 and 1 of the rows. */
KG_INLINE void load_eights(b8x64 to[2], const uint8_t *low, const uint8_t *high)
{
    const i32x16 a = (i32x16)load(low), b = (i32x16)load(high);
    to[0] = (b8x64)even(a, b);
    to[1] = (b8x64)odd(a, b);
}

/* A 32-bit word of each row of both groups. */
KG_INLINE i32x16 join_groups(i32x8 low, i32x8 high)
{
    return __builtin_shufflevector(low, high, 0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
}

KG_INLINE b8x64 load_fours(const uint8_t *low, const uint8_t *high)
{
    return (b8x64)join_groups(*(const i32x8_at *)low, *(const i32x8_at *)high);
}

KG_INLINE void scales_q2_k(struct scales *to, const uint8_t *low, const uint8_t *high)
{
    b8x64 v[4];
    load_eights(v, low, high);
    load_eights(v + 2, low + 64, high + 64);
    KG_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        to->scale[i] = nibbles_of(v[i]);
        to->min[i] = nibbles_of(shift_right(v[i], 4));
    }
    to->d = load_halves(low + 640, high + 640);
    to->m = load_halves(low + 656, high + 656);
}

KG_INLINE void values_q2_k(struct values *to, const uint8_t *p, uint32_t step)
{
    const uint8_t *crumbs = p + 128 + 256 * (step / 4);
    KG_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        to->of[i] = shift_right(load(crumbs + 64 * i), (int)(2 * (step % 4))) & bytes_of(3);
    }
}

KG_INLINE void scales_q3_k(struct scales *to, const uint8_t *low, const uint8_t *high)
{
    const b8x64 first = load_fours(low + 768, high + 768), second = load_fours(low + 800, high + 800),
                third = load_fours(low + 832, high + 832), offset = bytes_of(32);
    to->scale[0] = (nibbles_of(first) | bits_4_and_5(shift_left(third, 4))) - offset;
    to->scale[1] = (nibbles_of(second) | bits_4_and_5(shift_left(third, 2))) - offset;
    to->scale[2] = (nibbles_of(shift_right(first, 4)) | bits_4_and_5(third)) - offset;
    to->scale[3] = (nibbles_of(shift_right(second, 4)) | bits_4_and_5(shift_right(third, 2))) - offset;
    to->d = load_halves(low + 864, high + 864);
}

/* The third bit of a value is bit `step`. */
KG_INLINE void values_q3_k(struct values *to, const uint8_t *p, uint32_t step)
{
    values_q2_k(to, p + 128, step);
    KG_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        const b8x64 upper = shift_right(load(p + 64 * i), (int)(step / 4 * 4));
        to->of[i] |= shift_by(upper, (int)(step % 4) - 2) & bytes_of(4);
    }
}

/* Q4_K and Q5_K */
KG_INLINE void scales_q4_k(struct scales *to, const uint8_t *low, const uint8_t *high)
{
    const b8x64 first = load_fours(low + 32, high + 32), second = load_fours(low + 64, high + 64),
                third = load_fours(low + 96, high + 96);
    to->scale[0] = first & bytes_of(63);
    to->scale[1] = nibbles_of(third) | bits_4_and_5(shift_right(first, 2));
    to->min[0] = second & bytes_of(63);
    to->min[1] = nibbles_of(shift_right(third, 4)) | bits_4_and_5(shift_right(second, 2));
    to->d = load_halves(low, high);
    to->m = load_halves(low + 16, high + 16);
}

KG_INLINE void values_q4_k(struct values *to, const uint8_t *p, uint32_t step)
{
    const uint8_t *nibbles = p + 128 + 256 * (step / 2);
    KG_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        to->of[i] = nibbles_of(shift_right(load(nibbles + 64 * i), step % 2 ? 4 : 0));
    }
}

/* The fifth bit of a value is bit `step`. */
KG_INLINE void values_q5_k(struct values *to, const uint8_t *p, uint32_t step)
{
    values_q4_k(to, p + 256, step);
    KG_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        const b8x64 upper = shift_right(load(p + 128 + 64 * i), (int)(step / 4 * 4));
        to->of[i] |= shift_left(upper, 4 - (int)(step % 4)) & bytes_of(16);
    }
}

KG_INLINE void scales_q6_k(struct scales *to, const uint8_t *low, const uint8_t *high)
{
    load_eights(to->scale, low + 1536, high + 1536);
    load_eights(to->scale + 2, low + 1600, high + 1600);
    to->d = load_halves(low + 1664, high + 1664);
}

/* Low nibbles are steps 0, 1, 4, 5; the upper two bits of a value are bits 2 * (step % 4) and the next. */
KG_INLINE void values_q6_k(struct values *to, const uint8_t *p, uint32_t step)
{
    const uint8_t *nibbles = p + 512 * (step / 4) + 256 * (step % 2), *upper = p + 1024 + 256 * (step / 4);
    KG_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        to->of[i] = nibbles_of(shift_right(load(nibbles + 64 * i), step % 4 < 2 ? 0 : 4)) |
                    bits_4_and_5(shift_by(load(upper + 64 * i), (int)(2 * (step % 4)) - 4));
    }
}

/* A byte of each row, as 32-bit words: 8 bytes of each group. */
KG_INLINE u32x16 load_ones(const uint8_t *low, const uint8_t *high)
{
    typedef unsigned char u8x8_at __attribute__((vector_size(8), aligned(1), may_alias));
    return (u32x16)join_groups(__builtin_convertvector(*(const u8x8_at *)low, i32x8),
                               __builtin_convertvector(*(const u8x8_at *)high, i32x8));
}

KG_INLINE void scales_iq4_xs(struct scales *to, const uint8_t *low, const uint8_t *high)
{
    const u32x16 nibbles = (u32x16)load_fours(low + 32, high + 32);
    KG_UNROLL
    for (uint32_t i = 0; i < 2; i++) { /* four nibbles and four times two bits become four bytes */
        const u32x16 v = nibbles >> 16 * i, upper = load_ones(low + 16 + 8 * i, high + 16 + 8 * i);
        const u32x16 lower = (v & 15) | (v & 0xf0) << 4 | (v & 0xf00) << 8 | (v & 0xf000) << 12;
        to->scale[i] =
            (b8x64)(lower | (upper & 3) << 4 | (upper & 0xc) << 10 | (upper & 0x30) << 16 | (upper & 0xc0) << 22) -
            bytes_of(32);
    }
    to->d = load_halves(low, high);
}

#define IQ4_UNSIGNED(value) ((char)((value) + 128))

/* Of 16 bytes, low nibbles are the first 16 values. */
KG_INLINE void values_iq4_xs(struct values *to, const uint8_t *p, uint32_t step)
{
    static const char values[16] = {KG_MAP16(IQ4_UNSIGNED, KG_IQ4_VALUES)};
    const b8x64 table = four_times(values);
    KG_UNROLL
    for (uint32_t i = 0; i < 2; i++) {
        const b8x64 v = load(p + 64 + 128 * step + 64 * i);
        to->of[i] = pick_bytes(table, nibbles_of(v));
        to->of[2 + i] = pick_bytes(table, nibbles_of(shift_right(v, 4)));
    }
}

#endif
