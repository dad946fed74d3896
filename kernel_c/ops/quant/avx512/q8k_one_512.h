/* One token with Q4_K, Q5_K or Q6_K in 512-bit vectors: memory is the limit. Hardware prefetchers follow a matrix that
 * is read strictly from its beginning to its end. Q4_K and Q5_K lie as they are needed: a block's scales come first,
 * then fifth bits, then nibbles in the order of their values. For Q6_K sums wait for their scales. So one group of
 * eight rows follows the other, and no block is touched before the one in front of it is read. Prefetch instructions,
 * or two groups side by side, read a quarter less. */
#ifndef KGPT_OPS_QUANT_Q8K_ONE_512_H
#define KGPT_OPS_QUANT_Q8K_ONE_512_H

#include "ops/quant/act.h"
#include "ops/quant/avx512/q6k_one_512.h"
#include "ops/quant/avx512/q8k_types_512.h"

/* A vector has eight columns of each row: two lanes for a row. The sum of a part's nibbles times activations in one of
 * them fits into 16 bits, and so does that of fifth bits. */

/* Byte `n` of each row's four scales, for both lanes. */
KG_INLINE i16x32 scale_of_rows(b8x64 four, const uint32_t n)
{
    const uint64_t low = 0x8080800080808000 + 0x0000000100000001 * n;
    return (i16x32)for_rows(four, low, low + 0x0000000400000004);
}

/* Products of activation sums, of 16 values each, with the minima of 32 values. */
KG_INLINE i32x16 sums_of_rows(const struct scales *s, const struct kg_act_q8k *a)
{
    i32x16 sum = words_of(0);
    KG_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        const uint64_t low = 0x8001800180008000 + 0x0001000100010001 * (2 * (i % 2));
        const b8x64 two = for_rows(s->min[i / 2], low, low + 0x0004000400040004);
        sum = dot_words(sum, (i16x32)two, (i16x32)eight_bytes(a->sums + 4 * i));
    }
    return sum;
}

/* Products of the values of the block at `p`: parts 2 * chunk and 2 * chunk + 1 are low and high nibbles. */
KG_INLINE i32x16 products_of_rows(const struct scales *s, const uint8_t *p, const struct kg_act_q8k *a,
                                  const bool has_fifth)
{
    const uint8_t *fifths = p + 128, *nibbles = has_fifth ? p + 384 : fifths;
    i32x16 sum = words_of(0);
    KG_UNROLL
    for (uint32_t chunk = 0; chunk < 4; chunk++) {
        i32x16 part[2] = {words_of(0), words_of(0)}, fifth[2] = {words_of(0), words_of(0)};
        KG_UNROLL
        for (uint32_t i = 0; i < 4; i++) {
            const b8x64 v = load(nibbles + 256 * chunk + 64 * i), bits = has_fifth ? load(fifths + 64 * i) : v;
            KG_UNROLL
            for (uint32_t k = 0; k < 2; k++) {
                const b8x64 x = eight_bytes(a->q + 64 * chunk + 32 * k + 8 * i);
                part[k] = dot_eight(part[k], v & bytes_of(k ? 0xf0 : 0x0f), x);
                if (has_fifth) {
                    fifth[k] = dot_eight(fifth[k], bits & bytes_of((uint8_t)(1 << (2 * chunk + k))), x);
                }
            }
        }
        KG_UNROLL
        for (uint32_t k = 0; k < 2; k++) {
            const uint32_t n = 2 * chunk + k;
            const i16x32 scale = scale_of_rows(s->scale[n / 4], n % 4);
            sum = dot_words(sum, (i16x32)(part[k] >> (k ? 4 : 0)), scale);
            if (has_fifth) {
                sum = dot_words(sum, (i16x32)(n < 4 ? fifth[k] << (int)(4 - n) : fifth[k] >> (int)(n - 4)), scale);
            }
        }
    }
    return sum;
}

/* Whole groups of rows, of `blocks` blocks each. Two blocks are converted to floats together, also where the second one
 * begins the next group. */
KG_INLINE void one_token(float *y, const uint8_t *p, uint32_t groups, uint32_t blocks, const struct kg_act_q8k *acts,
                         const struct kind kind)
{
    const uint32_t bytes = KG_GROUP * kind.bytes;
    f32x16 sum = floats_of(0);
    uint32_t b = 0;
    for (uint64_t left = (uint64_t)groups * blocks; left;) {
        const uint32_t n = left > 1 ? 2 : 1;
        const uint8_t *const at[2] = {p, p + (n - 1) * bytes};
        const struct kg_act_q8k *const a[2] = {acts + b, acts + (b + 1 < blocks ? b + 1 : 0)};
        i32x16 i[2], j[2];
        KG_UNROLL
        for (uint32_t k = 0; k < 2; k++) {
            struct scales s;
            if (kind.has_sign) {
                i[k] = products_of_q6_k(at[k], a[k]);
                j[k] = words_of(0);
            } else {
                kind.scales(&s, at[k], at[k]);
                j[k] = sums_of_rows(&s, a[k]);
                i[k] = products_of_rows(&s, at[k], a[k], kind.has_fifth);
            }
        }
        const uint8_t *const d[2] = {at[0] + kind.halves, at[1] + kind.halves};
        f32x16 v = load_halves(d[0], d[1]) * to_floats(even(i[0], i[1]) + odd(i[0], i[1]));
        if (kind.has_minimum) {
            v -= load_halves(d[0] + 16, d[1] + 16) * to_floats(even(j[0], j[1]) + odd(j[0], j[1]));
        }
        v *= two_words(&a[0]->d, &a[1]->d);
        KG_UNROLL
        for (uint32_t k = 0; k < 2; k++) { /* lanes 0 and 1 of each 128-bit part are the first block, then the second */
            if (k < n) {
                sum += v;
                v = swap_pairs(v);
                if (++b == blocks) {
                    store_group(y, sum);
                    sum = floats_of(0);
                    y += KG_GROUP;
                    b = 0;
                }
            }
        }
        left -= n;
        p += n * bytes;
    }
}

#endif
