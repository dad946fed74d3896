/* Products of types with blocks of 256: eight rows and up to eight tokens together.
 *
 * A block is processed in chunks with contiguous payload: 2 chunks of 128 values, or 4 of 64 for nibbles. Each step
 * unpacks and multiplies 32 values; the 16-bit sums of products are multiplied by the scales. */
#include "avx2.h"
#include "ops/quant/act.h"
#include "ops/quant/codebook.h"
#include "ops/quant/versions.h"

#define MOST_TOKENS 8 /* computed together */

/* 8 bytes of each of eight rows: rows 0-3, then rows 4-7. */
struct eights {
    b8x32 rows[2];
};

struct scales {
    struct eights scale[2]; /* for 16 values each; with nibbles only the first, for 32 values each */
    struct eights min[2];   /* factors of the activation sums: minima, or scales if the values have an offset */
    f32x8 d, m;
};

/* 32 values of eight rows: eight columns each, for rows 0-3 and 4-7. */
struct values {
    b8x32 of[4][2];
};

/* Properties of a type; constant in each specialized function. */
struct kind {
    uint32_t bytes; /* of a block */
    bool nibbles;   /* chunks of 64 values with scales for 32; otherwise chunks of 128 with scales for 16 */
    bool has_minimum;
    bool has_sign; /* values are signed bytes; only with nibbles, and without offset */
    bool jumps;    /* fields of a block are read in turns, not in the order of memory */
    int offset;    /* 1 << offset is subtracted from a value without minimum */
    void (*scales)(struct scales *to, const uint8_t *p);
    void (*values)(struct values *to, const uint8_t *p, uint32_t chunk, const uint32_t part);
};

KG_INLINE struct eights load_eights(const uint8_t *p)
{
    return (struct eights){{load(p), load(p + 32)}};
}

/* Joins 32-bit words of eight rows: `low` becomes the low half of each row's 8 bytes. */
KG_INLINE struct eights join_words(b8x32 low, b8x32 high)
{
    i64x4 a = (i64x4)low, b = (i64x4)high;
    a = __builtin_shufflevector(a, a, 0, 2, 1, 3); /* rows 0, 1, 4, 5 | 2, 3, 6, 7 */
    b = __builtin_shufflevector(b, b, 0, 2, 1, 3);
    return (struct eights){{(b8x32)__builtin_shufflevector((i32x8)a, (i32x8)b, 0, 8, 1, 9, 4, 12, 5, 13),
                            (b8x32)__builtin_shufflevector((i32x8)a, (i32x8)b, 2, 10, 3, 11, 6, 14, 7, 15)}};
}

KG_INLINE void scales_q2_k(struct scales *to, const uint8_t *p)
{
    const b8x32 mask = bytes_of(15);
    KG_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        b8x32 v = load(p + 32 * i);
        to->scale[i / 2].rows[i % 2] = v & mask;
        to->min[i / 2].rows[i % 2] = shift_right(v, 4) & mask;
    }
    to->d = load_halves(p + 640);
    to->m = load_halves(p + 656);
}

KG_INLINE void values_q2_k(struct values *to, const uint8_t *p, uint32_t chunk, const uint32_t part)
{
    const uint8_t *crumbs = p + 128 + 256 * chunk;
    KG_UNROLL
    for (uint32_t i = 0; i < 8; i++) {
        to->of[i / 2][i % 2] = shift_right(load(crumbs + 32 * i), 2 * part) & bytes_of(3);
    }
}

KG_INLINE void scales_q3_k(struct scales *to, const uint8_t *p)
{
    const b8x32 low = bytes_of(15), high = bytes_of(0x30), offset = bytes_of(32);
    b8x32 first = load(p + 768), second = load(p + 800), third = load(p + 832);
    to->scale[0] = join_words(((first & low) | (shift_left(third, 4) & high)) - offset,
                              ((second & low) | (shift_left(third, 2) & high)) - offset);
    to->scale[1] = join_words(((shift_right(first, 4) & low) | (third & high)) - offset,
                              ((shift_right(second, 4) & low) | (shift_right(third, 2) & high)) - offset);
    to->min[0] = to->scale[0];
    to->min[1] = to->scale[1];
    to->d = load_halves(p + 864);
}

/* The third bit of a value is bit 4 * chunk + part. */
KG_INLINE void values_q3_k(struct values *to, const uint8_t *p, uint32_t chunk, const uint32_t part)
{
    const uint8_t *crumbs = p + 256 + 256 * chunk;
    KG_UNROLL
    for (uint32_t i = 0; i < 8; i++) {
        b8x32 upper = shift_right(load(p + 32 * i), (int)(4 * chunk));
        upper = (part < 2 ? shift_left(upper, 2 - part) : shift_right(upper, part - 2)) & bytes_of(4);
        to->of[i / 2][i % 2] = (shift_right(load(crumbs + 32 * i), 2 * part) & bytes_of(3)) | upper;
    }
}

/* Unpacks the 12 bytes of scales and minima of Q4_K and Q5_K. */
KG_INLINE void unpack_scales_and_minima(struct scales *to, const uint8_t *p)
{
    const b8x32 six = bytes_of(63), low = bytes_of(15), high = bytes_of(0x30);
    b8x32 first = load(p), second = load(p + 32), third = load(p + 64);
    to->scale[0] = join_words(first & six, (third & low) | (shift_right(first, 2) & high));
    to->min[0] = join_words(second & six, (shift_right(third, 4) & low) | (shift_right(second, 2) & high));
}

KG_INLINE void scales_q4_k(struct scales *to, const uint8_t *p)
{
    to->d = load_halves(p);
    to->m = load_halves(p + 16);
    unpack_scales_and_minima(to, p + 32);
}

KG_INLINE void values_q4_k(struct values *to, const uint8_t *p, uint32_t chunk, const uint32_t part)
{
    const uint8_t *nibbles = p + 128 + 256 * chunk;
    KG_UNROLL
    for (uint32_t i = 0; i < 8; i++) {
        to->of[i / 2][i % 2] = shift_right(load(nibbles + 32 * i), 4 * part) & bytes_of(15);
    }
}

/* The fifth bit of a value is bit 2 * chunk + part. */
KG_INLINE void values_q5_k(struct values *to, const uint8_t *p, uint32_t chunk, const uint32_t part)
{
    const uint8_t *upper = p + 128;
    values_q4_k(to, p + 256, chunk, part);
    KG_UNROLL
    for (uint32_t i = 0; i < 8; i++) {
        b8x32 bits = shift_right(load(upper + 32 * i), (int)(2 * chunk));
        to->of[i / 2][i % 2] |= shift_left(bits, 4 - part) & bytes_of(16);
    }
}

KG_INLINE void scales_q6_k(struct scales *to, const uint8_t *p)
{
    to->scale[0] = to->min[0] = load_eights(p + 1536);
    to->scale[1] = to->min[1] = load_eights(p + 1600);
    to->d = load_halves(p + 1664);
}

/* Low nibbles are parts 0 and 1, high nibbles parts 2 and 3. The upper two bits of a part are bits 2 * part and 2 *
 * part + 1. */
KG_INLINE void values_q6_k(struct values *to, const uint8_t *p, uint32_t chunk, const uint32_t part)
{
    const uint8_t *nibbles = p + 512 * chunk + 256 * (part % 2), *upper = p + 1024 + 256 * chunk;
    KG_UNROLL
    for (uint32_t i = 0; i < 8; i++) {
        b8x32 bits = load(upper + 32 * i);
        bits = (part < 3 ? shift_left(bits, 4 - 2 * part) : shift_right(bits, 2)) & bytes_of(0x30);
        to->of[i / 2][i % 2] = (shift_right(load(nibbles + 32 * i), part < 2 ? 0 : 4) & bytes_of(15)) | bits;
    }
}

/* The same 8 bytes for each row. */
KG_INLINE b8x32 in_each_row(long long v)
{
    return (b8x32)(i64x4){v, v, v, v};
}

/* Eight scales for each of four rows from `first` on. `upper` holds the upper 2 bits: a byte for the first four scales
 * of rows 0 to 7, then a byte for the last four. `lower` holds the lower 4 bits: in each half, 4 bytes of two rows. */
KG_INLINE b8x32 join_scales_iq4_xs(b8x32 upper, const long long first, i64x4 lower)
{
    const long long row = 0x0101010101010101, quarter = 0x0808080800000000, nibbles = 0x0303020201010000;
    b8x32 high = pick_bytes(upper, (b8x32)(i64x4){quarter + first * row, quarter + (first + 1) * row,
                                                  quarter + (first + 2) * row, quarter + (first + 3) * row});
    b8x32 low = pick_bytes((b8x32)lower, (b8x32)(i64x4){nibbles, nibbles + 4 * row, nibbles, nibbles + 4 * row});
    high = (shift_left(high, 4) & in_each_row(0x0000003000000030)) |
           (shift_left(high, 2) & in_each_row(0x0000300000003000)) | (high & in_each_row(0x0030000000300000)) |
           (shift_right(high, 2) & in_each_row(0x3000000030000000));
    low = (low & in_each_row(0x000f000f000f000f)) | (shift_right(low, 4) & in_each_row(0x0f000f000f000f00));
    return (low | high) - bytes_of(32);
}

KG_INLINE void scales_iq4_xs(struct scales *to, const uint8_t *p)
{
    const b8x32 upper = twice(p + 16);
    const i64x4 lower = (i64x4)load(p + 32);
    to->scale[0].rows[0] = join_scales_iq4_xs(upper, 0, __builtin_shufflevector(lower, lower, 0, 0, 1, 1));
    to->scale[0].rows[1] = join_scales_iq4_xs(upper, 4, __builtin_shufflevector(lower, lower, 2, 2, 3, 3));
    to->d = load_halves(p);
}

/* Of 16 bytes, low nibbles are the first 16 values. */
KG_INLINE void values_iq4_xs(struct values *to, const uint8_t *p, uint32_t chunk, const uint32_t part)
{
    static const char values[16] = {KG_IQ4_VALUES};
    const uint8_t *codes = p + 64 + 256 * chunk + 128 * part;
    KG_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        b8x32 v = load(codes + 32 * i);
        to->of[i / 2][i % 2] = pick_bytes(twice(values), v & bytes_of(15));
        to->of[2 + i / 2][i % 2] = pick_bytes(twice(values), shift_right(v, 4) & bytes_of(15));
    }
}

/* Bytes a, b, c, d of each row's 8, sign-extended to 16 bits. */
KG_INLINE i16x16 four_of(b8x32 v, const uint8_t a, const uint8_t b, const uint8_t c, const uint8_t d)
{
    const long long low = (long long)a << 8 | (long long)b << 24 | (long long)c << 40 | (long long)d << 56,
                    high = low + 0x0800080008000800;
    return (i16x16)pick_bytes(v, (b8x32)(i64x4){low, high, low, high}) >> 8;
}

/* Products of activation sums and minima: 16 minima, or 8 minima for two sums each. */
KG_INLINE i32x8 multiply_sums(const struct scales *s, const struct kg_act_q8k *a, const struct kind kind)
{
    i32x8 sum[2] = {0};
    KG_UNROLL
    for (uint32_t i = 0; i < 8; i++) {
        const uint8_t quarter = (uint8_t)(i / 2), half = i % 2, first = kind.nibbles ? 2 * quarter : 4 * (quarter % 2);
        b8x32 v = s->min[kind.nibbles ? 0 : quarter / 2].rows[half];
        i16x16 min = kind.nibbles ? four_of(v, first, first, first + 1, first + 1)
                                  : four_of(v, first, first + 1, first + 2, first + 3);
        sum[half] += multiply_pairs(min, (i16x16)eight_bytes(a->sums + 4 * quarter));
    }
    return fold(sum[0], sum[1]);
}

/* Adds 32 values times the activations q, times their one or two scales. */
KG_INLINE void add_part(i32x8 sum[2], const struct values *v, const int8_t *q, i16x16 scale[2][2],
                        const struct kind kind)
{
    KG_UNROLL
    for (uint32_t half = 0; half < 2; half++) {
        i16x16 first =
            multiply_bytes(v->of[0][half], eight_bytes(q)) + multiply_bytes(v->of[1][half], eight_bytes(q + 8));
        i16x16 last =
            multiply_bytes(v->of[2][half], eight_bytes(q + 16)) + multiply_bytes(v->of[3][half], eight_bytes(q + 24));
        if (kind.nibbles) {
            sum[half] += multiply_pairs(first + last, scale[0][half]);
        } else {
            sum[half] += multiply_pairs(first, scale[0][half]) + multiply_pairs(last, scale[1][half]);
        }
    }
}

/* Like add_part for signed values, whose pairs of products fill 16 bits. */
KG_INLINE void add_signed_part(i32x8 sum[2], const struct values *v, const int8_t *q, const i16x16 scale[2])
{
    KG_UNROLL
    for (uint32_t i = 0; i < 8; i++) {
        sum[i % 2] += multiply_pairs(multiply_signed(v->of[i / 2][i % 2], eight_bytes(q + 8 * (i / 2))), scale[i % 2]);
    }
}

/* Reads bytes in the order of memory, which hardware prefetchers follow. They do not follow the order in which fields
 * are unpacked. Reads of a whole block at once make the others wait: if fields are read in turns, each quarter of a
 * block is touched while the one before it is computed. */
KG_INLINE void touch(const uint8_t *p, const uint32_t bytes)
{
    KG_UNROLL
    for (uint32_t i = 0; i < bytes; i += 64) {
        (void)*(const volatile uint8_t *)(p + i);
    }
}

/* Adds Σ scale q a for eight rows and `tokens` tokens, without the offset. */
KG_INLINE void multiply_block(i32x8 sum[][2], const struct scales *s, const uint8_t *p, const uint8_t *next,
                              const uint8_t *acts, size_t act_stride, const uint32_t tokens, const struct kind kind)
{
    const uint32_t chunks = kind.nibbles ? 4 : 2, parts = 8 / chunks;
    for (uint32_t chunk = 0; chunk < chunks; chunk++) {
        struct eights scales = s->scale[kind.nibbles ? 0 : chunk];
        if (kind.nibbles) { /* the chunk's two scales move to the front */
            scales.rows[0] = (b8x32)((i64x4)scales.rows[0] >> 16 * chunk);
            scales.rows[1] = (b8x32)((i64x4)scales.rows[1] >> 16 * chunk);
        }
        KG_UNROLL
        for (uint32_t part = 0; part < parts; part++) {
            const uint8_t first = kind.nibbles ? part : 2 * part, last = kind.nibbles ? part : 2 * part + 1;
            struct values v;
            if (kind.jumps && part % 2 == 0) { /* a quarter of the block */
                touch(next, 2 * kind.bytes);
                next += 2 * kind.bytes;
            }
            kind.values(&v, p, chunk, part);
            i16x16 scale[2][2] = {
                {four_of(scales.rows[0], first, first, first, first),
                 four_of(scales.rows[1], first, first, first, first)},
                {four_of(scales.rows[0], last, last, last, last), four_of(scales.rows[1], last, last, last, last)}};
            KG_UNROLL
            for (uint32_t t = 0; t < tokens; t++) {
                const struct kg_act_q8k *a = (const void *)(acts + t * act_stride);
                const int8_t *q = a->q + 256 / chunks * chunk + 32 * part;
                if (kind.has_sign) {
                    add_signed_part(sum[t], &v, q, scale[0]);
                } else {
                    add_part(sum[t], &v, q, scale, kind);
                }
            }
        }
    }
}

KG_INLINE f32x8 add_block(f32x8 sum, const i32x8 products[2], const struct scales *s, const struct kg_act_q8k *a,
                          const struct kind kind)
{
    i32x8 i = fold(products[0], products[1]), j = kind.has_sign ? words_of(0) : multiply_sums(s, a, kind);
    i = kind.has_minimum ? i : i - (j << kind.offset);
    f32x8 v = s->d * to_floats(i);
    v = kind.has_minimum ? v - s->m * to_floats(j) : v;
    return sum + v * floats_of(a->d);
}

/* Eight rows and `tokens` tokens; `tokens` is constant. */
KG_INLINE void tile(float *y, size_t y_stride, const uint8_t *p, const uint8_t *end, uint32_t blocks,
                    const uint8_t *acts, size_t act_stride, const uint32_t tokens, const struct kind kind)
{
    f32x8 sum[MOST_TOKENS] = {0};
    for (uint32_t b = 0; b < blocks; b++) {
        struct scales s;
        i32x8 products[MOST_TOKENS][2] = {0};
        const uint8_t *next = (size_t)(end - p) < 2 * KG_GROUP * kind.bytes ? p : p + KG_GROUP * kind.bytes;
        if (tokens == 1 && !kind.jumps) {
            touch(p, KG_GROUP * kind.bytes);
        }
        kind.scales(&s, p);
        multiply_block(products, &s, p, next, acts, act_stride, tokens, kind);
        KG_UNROLL
        for (uint32_t t = 0; t < tokens; t++) {
            sum[t] = add_block(sum[t], products[t], &s, (const void *)(acts + t * act_stride), kind);
        }
        p += KG_GROUP * kind.bytes;
        acts += sizeof(struct kg_act_q8k);
    }
    KG_UNROLL
    for (uint32_t t = 0; t < tokens; t++) {
        store_rows(y + t * y_stride, sum[t]);
    }
}

#include "rows_avx2.h"

void kg_rows_q2_k_avx2(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                       const void *acts, size_t act_stride, uint32_t tokens)
{
    const struct kind kind = {
        .bytes = 84, .has_minimum = true, .jumps = true, .scales = scales_q2_k, .values = values_q2_k};
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind, 256, kg_rows_q8k_ref);
}

void kg_rows_q3_k_avx2(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                       const void *acts, size_t act_stride, uint32_t tokens)
{
    const struct kind kind = {.bytes = 110, .offset = 2, .jumps = true, .scales = scales_q3_k, .values = values_q3_k};
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind, 256, kg_rows_q8k_ref);
}

void kg_rows_q4_k_avx2(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                       const void *acts, size_t act_stride, uint32_t tokens)
{
    const struct kind kind = {
        .bytes = 144, .nibbles = true, .has_minimum = true, .scales = scales_q4_k, .values = values_q4_k};
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind, 256, kg_rows_q8k_ref);
}

void kg_rows_q5_k_avx2(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                       const void *acts, size_t act_stride, uint32_t tokens)
{
    const struct kind kind = {.bytes = 176,
                              .nibbles = true,
                              .has_minimum = true,
                              .jumps = true,
                              .scales = scales_q4_k,
                              .values = values_q5_k};
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind, 256, kg_rows_q8k_ref);
}

void kg_rows_q6_k_avx2(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                       const void *acts, size_t act_stride, uint32_t tokens)
{
    const struct kind kind = {.bytes = 210, .offset = 5, .jumps = true, .scales = scales_q6_k, .values = values_q6_k};
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind, 256, kg_rows_q8k_ref);
}

void kg_rows_iq4_xs_avx2(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                         const void *acts, size_t act_stride, uint32_t tokens)
{
    const struct kind kind = {
        .bytes = 136, .nibbles = true, .has_sign = true, .scales = scales_iq4_xs, .values = values_iq4_xs};
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind, 256, kg_rows_q8k_ref);
}
