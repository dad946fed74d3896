/* Products of types with blocks of 32 in 512-bit vectors.
 *
 * Few tokens, one or two, for which memory is the limit: a group of eight rows, two blocks together, so that a matrix
 * is read from its beginning to its end. Hardware prefetchers follow one such stream, but not two well: reading two
 * groups at once takes twice as long.
 * More tokens: two groups and up to eight tokens together, so that fewer lanes are moved. Meanwhile prefetch
 * instructions read the next two groups into the L2 cache, in the order of memory. They keep up with computing, but
 * not with a hardware prefetcher.
 *
 * The including file defines
 *   SUFFIX       of the functions' names
 *   dot_eight    adds to each 32-bit lane four products of a value with an activation; the vectors are given
 *   dot_four     the same, with the activations of four columns in memory */
#ifndef KGPT_OPS_QUANT_Q8_512_H
#define KGPT_OPS_QUANT_Q8_512_H

#include "ops/quant/act.h"
#include "ops/quant/avx512/avx512.h"
#include "ops/quant/codebook.h"
#include "ops/quant/versions.h"

#define MOST_TOKENS 8 /* computed together */
#define MOST_FEW 2    /* computed with one group */
#define PAIR 16       /* rows */

/* Properties of a type; constant in each specialized function. Values are unsigned, with an offset. */
struct kind {
    uint32_t bytes; /* of a block */
    uint32_t bits;  /* of a value in the file */
    bool has_minimum;
    bool exponents;       /* scales are E8M0, not halves */
    int32_t offset;       /* subtracted from a value */
    const char *codebook; /* nibbles are indices of these 16 values; NULL: nibbles are values */
};

/* The most tokens for which memory is the limit, rather than computing: none with 5 bits. */
KG_INLINE uint32_t few_of(const struct kind kind)
{
    return kind.bits == 8 ? MOST_FEW : kind.bits == 4;
}

/* Eight columns of the eight rows of a group, four times. */
struct group {
    b8x64 value[4];
};

KG_INLINE void unpack_nibbles(struct group *g, const uint8_t *p)
{
    KG_UNROLL
    for (uint32_t i = 0; i < 2; i++) {
        const b8x64 v = load(p + 64 * i);
        g->value[i] = v & bytes_of(15);
        g->value[2 + i] = shift_right(v, 4) & bytes_of(15);
    }
}

/* Adds the fifth bits: 32 for each row, 8 for each vector. The bits of a vector's bytes are a mask as they are, once
 * the bytes of the rows are in its order; masks are then loaded from memory. */
KG_INLINE void add_fifth_bits(struct group *g, const uint8_t *p)
{
    i32x8 rows = *(const i32x8_at *)p;
    const i32x8 bytes = {0x0c080400, 0x0d090501, 0x0e0a0602, 0x0f0b0703,
                         0x0c080400, 0x0d090501, 0x0e0a0602, 0x0f0b0703};
    unsigned long long masks[4] __attribute__((aligned(32)));
    __asm__("vpshufb %1, %0, %0" : "+v"(rows) : "v"(bytes));
    *(i32x8_at *)masks = __builtin_shufflevector(rows, rows, 0, 4, 1, 5, 2, 6, 3, 7);
    KG_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        unsigned long long mask;
        __asm__("kmovq %1, %0" : "=Yk"(mask) : "m"(masks[i]));
        __asm__("vpaddb %1, %0, %0%{%2%}" : "+v"(g->value[i]) : "v"(bytes_of(16)), "Yk"(mask));
    }
}

KG_INLINE void unpack_group(struct group *g, const uint8_t *p, const struct kind kind)
{
    p += kind.exponents ? 8 : kind.has_minimum ? 32 : 16;
    if (kind.bits == 8) {
        KG_UNROLL
        for (uint32_t i = 0; i < 4; i++) {
            g->value[i] = load(p + 64 * i) ^ bytes_of(0x80);
        }
        return;
    }
    unpack_nibbles(g, kind.bits == 5 ? p + 32 : p);
    if (kind.bits == 5) {
        add_fifth_bits(g, p);
    }
    if (kind.codebook) {
        const b8x64 values = four_times(kind.codebook);
        KG_UNROLL
        for (uint32_t i = 0; i < 4; i++) {
            g->value[i] = pick_bytes(values, g->value[i]);
        }
    }
}

/* Half of two times eight scales with exponents, 0 instead of a subnormal one, in the order of even(). */
KG_INLINE f32x16 load_exponents(const uint8_t *low, const uint8_t *high)
{
    const i64x2 both = {*(const i64_at *)low, *(const i64_at *)high};
    const u8x16 bytes =
        __builtin_shufflevector((u8x16)both, (u8x16)both, 0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
    const i32x16 e = __builtin_convertvector(bytes, i32x16);
    return (f32x16)((e > words_of(1)) & ((e - words_of(1)) << 23));
}

KG_INLINE f32x16 load_scales(const uint8_t *low, const uint8_t *high, const struct kind kind)
{
    return kind.exponents ? load_exponents(low, high) : load_halves(low, high);
}

/* sum * kind.offset, by shifts. */
KG_INLINE i32x16 offset_of(i32x16 sum, const struct kind kind)
{
    const int shift = __builtin_ctz((unsigned)kind.offset);
    return kind.offset == 3 << shift ? (sum << (shift + 1)) + (sum << shift) : sum << shift;
}

/* Adds two blocks of a group, unpacked, to lanes 0 and 1 of each 128-bit part: their scales and minima are `d` and `m`,
 * and `a` and `after` are a token's activations. */
KG_INLINE f32x16 add_blocks(f32x16 sum, const struct group *g, f32x16 d, f32x16 m, const struct kg_act_q8 *a,
                            const struct kg_act_q8 *after, const struct kind kind)
{
    i32x16 i[2] = {words_of(0), words_of(0)};
    KG_UNROLL
    for (uint32_t k = 0; k < 4; k++) {
        i[0] = dot_eight(i[0], g[0].value[k], eight_bytes(a->q + 8 * k));
        i[1] = dot_eight(i[1], g[1].value[k], eight_bytes(after->q + 8 * k));
    }
    i32x16 both = even(i[0], i[1]) + odd(i[0], i[1]);
    if (kind.offset) {
        both -= offset_of((i32x16)two_words(&a->sum, &after->sum), kind);
    }
    f32x16 v = d * to_floats(both);
    if (kind.has_minimum) {
        v += m * two_words(&a->s, &after->s);
    }
    v *= two_words(&a->d, &after->d);
    return after == a ? sum + v : sum + v + swap_pairs(v);
}

/* Adds the blocks at `p` and `next` for each token, or the one block at both; `tokens` is constant. */
KG_INLINE void add_to_each(f32x16 *sum, const uint8_t *p, const uint8_t *next, const uint8_t *acts, size_t act_stride,
                           const uint32_t tokens, const struct kind kind)
{
    struct group g[2];
    unpack_group(&g[0], p, kind);
    unpack_group(&g[1], next, kind);
    const f32x16 d = load_scales(p, next, kind);
    const f32x16 m = kind.has_minimum ? load_halves(p + 16, next + 16) : d;
    KG_UNROLL
    for (uint32_t t = 0; t < tokens; t++, acts += act_stride) {
        const struct kg_act_q8 *a = (const void *)acts;
        sum[t] = add_blocks(sum[t], g, d, m, a, next == p ? a : a + 1, kind);
    }
}

/* A group and up to MOST_FEW tokens; `tokens` is constant. */
KG_INLINE void few_tokens(float *y, size_t y_stride, const uint8_t *p, uint32_t blocks, const uint8_t *acts,
                          size_t act_stride, const uint32_t tokens, const struct kind kind)
{
    const uint32_t bytes = KG_GROUP * kind.bytes;
    f32x16 sum[MOST_TOKENS]; /* gcc warns of fewer */
    KG_UNROLL
    for (uint32_t t = 0; t < tokens; t++) {
        sum[t] = floats_of(0);
    }
    for (; blocks > 1; blocks -= 2, acts += 2 * sizeof(struct kg_act_q8), p += 2 * bytes) {
        add_to_each(sum, p, p + bytes, acts, act_stride, tokens, kind);
    }
    if (blocks) {
        add_to_each(sum, p, p, acts, act_stride, tokens, kind);
    }
    KG_UNROLL
    for (uint32_t t = 0; t < tokens; t++) {
        store_group(y + t * y_stride, sum[t]);
    }
}

/* Two groups and `tokens` tokens; `tokens` is constant. A vector of values is four columns of sixteen rows. */
KG_INLINE void more_tokens(f32x16 *sum, const uint8_t *low, const uint8_t *high, uint32_t blocks, const uint8_t *acts,
                           size_t act_stride, const uint32_t tokens, const struct kind kind)
{
    const uint32_t bytes = KG_GROUP * kind.bytes;
    const uint8_t *ahead = ahead_of(low, 2 * (size_t)blocks * bytes);
    for (uint32_t b = 0; b < blocks; b++, low += bytes, high += bytes, ahead += 2 * bytes) {
        struct group g[2];
        i32x16 value[8];
        prefetch(ahead, 2 * bytes);
        unpack_group(&g[0], low, kind);
        unpack_group(&g[1], high, kind);
        KG_UNROLL
        for (uint32_t k = 0; k < 4; k++) {
            value[2 * k] = even((i32x16)g[0].value[k], (i32x16)g[1].value[k]);
            value[2 * k + 1] = odd((i32x16)g[0].value[k], (i32x16)g[1].value[k]);
        }
        const f32x16 d = load_scales(low, high, kind);
        const f32x16 m = kind.has_minimum ? load_halves(low + 16, high + 16) : d;
        KG_UNROLL
        for (uint32_t t = 0; t < tokens; t++) {
            const struct kg_act_q8 *a = (const struct kg_act_q8 *)(const void *)(acts + t * act_stride) + b;
            i32x16 i = words_of(0);
            KG_UNROLL
            for (uint32_t k = 0; k < 8; k++) {
                i = dot_four(i, (b8x64)value[k], a->q + 4 * k);
            }
            i = kind.offset ? i - offset_of(words_of(a->sum), kind) : i;
            f32x16 v = d * to_floats(i);
            v = kind.has_minimum ? v + m * floats_of(a->s) : v;
            sum[t] += v * floats_of(a->d);
        }
    }
}

/* As many tokens as `tokens`, which is constant, of one or two groups. */
KG_INLINE void tile(float *y, size_t y_stride, const uint8_t *p, const uint8_t *high, uint32_t blocks,
                    const uint8_t *acts, size_t act_stride, const uint32_t tokens, const struct kind kind)
{
    f32x16 sum[MOST_TOKENS];
    if (tokens <= few_of(kind)) {
        few_tokens(y, y_stride, p, blocks, acts, act_stride, tokens, kind);
        if (high != p) {
            few_tokens(y + KG_GROUP, y_stride, high, blocks, acts, act_stride, tokens, kind);
        }
        return;
    }
    KG_UNROLL
    for (uint32_t t = 0; t < tokens; t++) {
        sum[t] = floats_of(0);
    }
    more_tokens(sum, p, high, blocks, acts, act_stride, tokens, kind);
    KG_UNROLL
    for (uint32_t t = 0; t < tokens; t++) {
        if (high != p) {
            store_rows(y + t * y_stride, sum[t]);
        } else {
            store_group(y + t * y_stride, sum[t]);
        }
    }
}

/* One or two groups and the last `tokens` tokens, fewer than MOST_TOKENS, in one tile. */
KG_INLINE void last_tile(float *y, size_t y_stride, const uint8_t *p, const uint8_t *high, uint32_t blocks,
                         const uint8_t *acts, size_t act_stride, uint32_t tokens, const struct kind kind)
{
    switch (tokens) {
#define TILE_OF(size) \
    case size: tile(y, y_stride, p, high, blocks, acts, act_stride, size, kind); break;
        TILE_OF(1)
        TILE_OF(2)
        TILE_OF(3)
        TILE_OF(4)
        TILE_OF(5)
        TILE_OF(6)
        TILE_OF(7)
#undef TILE_OF
    default: break;
    }
}

KG_INLINE void rows(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                    const void *acts, size_t act_stride, uint32_t tokens, const struct kind kind)
{
    const uint32_t blocks = matrix->columns / 32, whole = n - n % KG_GROUP;
    const size_t group_bytes = (size_t)blocks * kind.bytes * KG_GROUP;
    for (uint32_t r = 0; r < whole; r += PAIR) {
        const uint8_t *p = matrix->data + (first + r) / KG_GROUP * group_bytes, *a = acts;
        const uint8_t *high = r + PAIR <= whole ? p + group_bytes : p;
        float *to = y + first + r;
        uint32_t t = 0;
        for (; t + MOST_TOKENS <= tokens;
             t += MOST_TOKENS, a += MOST_TOKENS * act_stride, to += MOST_TOKENS * y_stride) {
            tile(to, y_stride, p, high, blocks, a, act_stride, MOST_TOKENS, kind);
        }
        last_tile(to, y_stride, p, high, blocks, a, act_stride, tokens - t, kind);
    }
    if (whole < n) {
        kg_rows_q8_ref(y, y_stride, matrix, first + whole, n - whole, acts, act_stride, tokens);
    }
}

#define MULTIPLY_ROWS rows
#include "ops/quant/define_rows.h"

#define IQ4_UNSIGNED(value) ((char)((value) + 128))

static const char iq4_values[16] = {KG_MAP16(IQ4_UNSIGNED, KG_IQ4_VALUES)};
static const char mxfp4_values[16] = {KG_MAP16(KG_MXFP4_UNSIGNED, KG_MXFP4_VALUES)};

DEFINE_ROWS(q4_0, .bytes = 18, .bits = 4, .offset = 8)
DEFINE_ROWS(q4_1, .bytes = 20, .bits = 4, .has_minimum = true)
DEFINE_ROWS(q5_0, .bytes = 22, .bits = 5, .offset = 16)
DEFINE_ROWS(q5_1, .bytes = 24, .bits = 5, .has_minimum = true)
DEFINE_ROWS(q8_0, .bytes = 34, .bits = 8, .offset = 128)
DEFINE_ROWS(iq4_nl, .bytes = 18, .bits = 4, .offset = 128, .codebook = iq4_values)
DEFINE_ROWS(mxfp4, .bytes = 17, .bits = 4, .exponents = true, .offset = KG_MXFP4_OFFSET, .codebook = mxfp4_values)

#endif
