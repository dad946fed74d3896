/* Products of types with blocks of 32 by SWAR in 64-bit words (swar.h), eight rows together.
 *
 * The sum of products i and the half d are also multiplied as integers. d is M * 2^(e - 25) with an integer M below
 * 2^11, so d * i is exact in 64 bits. One conversion to float rounds it once, as the definition requires. With a
 * minimum, the definition rounds d * i before it adds m * j, which is exact. d * i is exact below 2^24; larger
 * products and unusual halves (infinite, subnormal, zero) are computed like the reference. */
#include "kgpt/mem.h"
#include "ops/quant/act.h"
#include "ops/quant/half.h"
#include "ops/quant/versions.h"
#include "swar.h"

/* Properties of a type; constant in each specialized function. */
struct kind {
    uint32_t bytes; /* of a block */
    uint32_t bits;  /* of a value */
    bool has_minimum;
    int32_t offset; /* subtracted from a value */
};

void kg_act_q8_swar(void *out, const float *x, uint32_t columns)
{
    kg_act_q8_ref(out, x, columns);
    const struct kg_act_q8 *a = out;
    uint64_t *packed = (void *)((uint8_t *)out + kg_act_q8_packed_at(columns));
    for (uint32_t i = 0; i < columns; i += 8, packed += 2) {
        kg_pack_eight(packed, a[i / 32].q + i % 32);
    }
}

/* Activations for 8 bytes of payload: for the low nibbles and for the high nibbles; for 8 bits only the first two. */
struct octets {
    uint64_t low_even, low_odd, high_even, high_odd;
};

KG_INLINE int64_t multiply_nibbles(uint64_t w, const struct octets x)
{
    uint64_t products = (w & KG_NIBBLES) * x.low_even;
    products += (w >> 4 & KG_NIBBLES) * x.high_even;
    products += (w >> 8 & KG_NIBBLES) * x.low_odd;
    products += (w >> 12 & KG_NIBBLES) * x.high_odd;
    return kg_topmost(products);
}

/* Moves bits 0, 2, 4, 6 of a byte into one 16-bit field each. */
KG_INLINE uint64_t spread(uint32_t byte)
{
    return byte * 0x0000040010004001u & 0x0001000100010001u;
}

/* Adds the fifth bits of low and high nibbles. Only two such products fit into a field. */
KG_INLINE int64_t multiply_fives(uint64_t w, uint32_t low, uint32_t high, const struct octets x)
{
    uint64_t even = ((w & KG_NIBBLES) | spread(low) << 4) * x.low_even;
    even += ((w >> 4 & KG_NIBBLES) | spread(high) << 4) * x.high_even;
    uint64_t odd = ((w >> 8 & KG_NIBBLES) | spread(low >> 1) << 4) * x.low_odd;
    odd += ((w >> 12 & KG_NIBBLES) | spread(high >> 1) << 4) * x.high_odd;
    return kg_topmost(even) + kg_topmost(odd);
}

/* Bytes as 16 * nibble + nibble, with 128 added to make them unsigned. */
KG_INLINE int64_t multiply_bytes(uint64_t w, const struct octets x)
{
    w ^= 0x8080808080808080u;
    uint64_t low = (w & KG_NIBBLES) * x.low_even + (w >> 8 & KG_NIBBLES) * x.low_odd;
    uint64_t high = (w >> 4 & KG_NIBBLES) * x.low_even + (w >> 12 & KG_NIBBLES) * x.low_odd;
    return kg_topmost(low) + kg_topmost(high) * 16;
}

/* Unit `k` of a row's payload at p: bytes, or nibbles, which follow the fifth bits if the type has them. */
KG_INLINE int64_t multiply_unit(const uint8_t *p, const uint32_t k, const uint32_t row, const struct octets x,
                                const struct kind kind)
{
    if (kind.bits == 8) {
        return multiply_bytes(kg_load64(p + 64 * k + 8 * row), x);
    }
    if (kind.bits == 5) {
        const uint8_t *fifth = p + 4 * row + k;
        return multiply_fives(kg_load64(p + 32 + 64 * k + 8 * row), fifth[0], fifth[2], x);
    }
    return multiply_nibbles(kg_load64(p + 64 * k + 8 * row), x);
}

KG_INLINE struct octets octets_of(const uint64_t *x, const uint32_t k, const struct kind kind)
{
    return kind.bits == 8 ? (struct octets){x[2 * k], x[2 * k + 1], 0, 0}
                          : (struct octets){x[2 * k], x[2 * k + 1], x[2 * k + 4], x[2 * k + 5]};
}

/* The significand of a normal half: 1024 to 2047. */
KG_INLINE int64_t whole_of(uint32_t half)
{
    return (half & 0x3ff) | 0x400;
}

#define POWERS(sign)                                                                                               \
    0, sign 0x1, sign 0x2, sign 0x4, sign 0x8, sign 0x10, sign 0x20, sign 0x40, sign 0x80, sign 0x100, sign 0x200, \
        sign 0x400, sign 0x800, sign 0x1000, sign 0x2000, sign 0x4000, sign 0x8000, sign 0x10000, sign 0x20000,    \
        sign 0x40000, sign 0x80000, sign 0x100000, sign 0x200000, sign 0x400000, sign 0x800000, sign 0x1000000,    \
        sign 0x2000000, sign 0x4000000, sign 0x8000000, sign 0x10000000, sign 0x20000000, 0

/* Indexed by sign and exponent of a normal half: the half is significand * power * 2^-24. */
static const int64_t powers[64] = {POWERS(+), POWERS(-)};

KG_INLINE uint32_t half_of(const uint64_t halves[2], const uint32_t row)
{
    return (uint16_t)(halves[row / 4] >> 16 * (row % 4));
}

/* A block of eight rows, computed like the reference. */
static KG_ELSEWHERE void add_eight_slowly(float sum[8], const uint8_t *p, const int64_t *i, const struct kg_act_q8 *a,
                                          const struct kind kind)
{
    for (uint32_t r = 0; r < 8; r++) {
        float v = kg_half_value(kg_load16(p + 2 * r)) * (float)(i[r] - a->sum * kind.offset);
        if (kind.has_minimum) {
            v += kg_half_value(kg_load16(p + 16 + 2 * r)) * a->s;
        }
        sum[r] += v * a->d;
    }
}

typedef float f32x4 __attribute__((vector_size(16)));
typedef f32x4 f32x4_at __attribute__((aligned(4), may_alias));

/* Sums of products of a block. The types with more than four bits take four rows at a time, to fit into a page. */
KG_INLINE void multiply_eight(int64_t i[8], const uint8_t *payload, const uint64_t *x, const struct kind kind)
{
    const uint32_t units = kind.bits == 8 ? 4 : 2, at_once = kind.bits == 4 ? 8 : 4;
    KG_NO_UNROLL
    for (uint32_t first = 0; first < 8; first += at_once) {
        KG_UNROLL
        for (uint32_t k = 0; k < units; k++) {
            const struct octets octets = octets_of(x, k, kind);
            KG_UNROLL
            for (uint32_t r = 0; r < at_once; r++) {
                i[first + r] = (k ? i[first + r] : 0) + multiply_unit(payload, k, first + r, octets, kind);
            }
        }
    }
}

/* (d * i + m * j) * 2^24 for a block of eight rows, exact. Returns false if the reference would round differently. */
KG_INLINE bool scale_eight(int64_t to[8], const int64_t i[8], const uint8_t *p, int64_t j, const struct kind kind)
{
    const uint64_t d[2] = {kg_load64(p), kg_load64(p + 8)};
    uint64_t unusual = kg_unusual_halves(d[0]) | kg_unusual_halves(d[1]), large = 0;
    KG_UNROLL
    for (uint32_t r = 0; r < 8; r++) {
        uint32_t half = half_of(d, r);
        int64_t product = whole_of(half) * (i[r] - j * kind.offset);
        large |= (uint64_t)(product + (1 << 24));
        to[r] = product * powers[half >> 10];
    }
    if (kind.has_minimum) {
        const uint64_t m[2] = {kg_load64(p + 16), kg_load64(p + 24)};
        unusual |= kg_unusual_halves(m[0]) | kg_unusual_halves(m[1]) | large >> 25;
        KG_UNROLL
        for (uint32_t r = 0; r < 8; r++) {
            uint32_t half = half_of(m, r);
            to[r] += whole_of(half) * j * powers[half >> 10];
        }
    }
    return unusual == 0;
}

/* Eight rows and one token. Float operations come last and together, because an emulator stores all registers before
 * each one. */
KG_INLINE void tile(float *y, const uint8_t *p, uint32_t blocks, const struct kg_act_q8 *a, const uint64_t *x,
                    const struct kind kind)
{
    f32x4 sum[2] = {0};
    for (uint32_t b = 0; b < blocks; b++, a++, x += 8, p += KG_GROUP * kind.bytes) {
        int64_t i[8], v[8];
        multiply_eight(i, p + (kind.has_minimum ? 32 : 16), x, kind);
        if (scale_eight(v, i, p, a->sum, kind)) {
            float value[8];
            KG_UNROLL
            for (uint32_t r = 0; r < 8; r++) {
                value[r] = (float)v[r];
            }
            __asm__ volatile("" : : "r"(value) : "memory"); /* through memory, because shuffles are emulated as well */
            const f32x4 low = {a->low, a->low, a->low, a->low};
            sum[0] += *(const f32x4_at *)value * low;
            sum[1] += *(const f32x4_at *)(value + 4) * low;
        } else {
            add_eight_slowly((float *)sum, p, i, a, kind);
        }
    }
    memcpy(y, sum, sizeof sum);
}

KG_INLINE void rows(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                    const void *acts, size_t act_stride, uint32_t tokens, const struct kind kind)
{
    const uint32_t whole = n - n % KG_GROUP;
    const size_t row_bytes = (size_t)matrix->columns / 32 * kind.bytes,
                 packed_at = kg_act_q8_packed_at(matrix->columns);
    for (uint32_t r = first; r < first + whole; r += KG_GROUP) {
        const uint8_t *p = matrix->data + r * row_bytes, *a = acts;
        for (uint32_t t = 0; t < tokens; t++, a += act_stride) {
            tile(y + t * y_stride + r, p, matrix->columns / 32, (const void *)a, (const void *)(a + packed_at), kind);
        }
    }
    if (whole < n) {
        kg_rows_q8_ref(y, y_stride, matrix, first + whole, n - whole, acts, act_stride, tokens);
    }
}

KG_ONE_PAGE void kg_rows_q4_0_swar(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first,
                                   uint32_t n, const void *acts, size_t act_stride, uint32_t tokens)
{
    const struct kind kind = {.bytes = 18, .bits = 4, .offset = 8};
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind);
}

KG_ONE_PAGE void kg_rows_q4_1_swar(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first,
                                   uint32_t n, const void *acts, size_t act_stride, uint32_t tokens)
{
    const struct kind kind = {.bytes = 20, .bits = 4, .has_minimum = true};
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind);
}

KG_ONE_PAGE void kg_rows_q5_0_swar(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first,
                                   uint32_t n, const void *acts, size_t act_stride, uint32_t tokens)
{
    const struct kind kind = {.bytes = 22, .bits = 5, .offset = 16};
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind);
}

KG_ONE_PAGE void kg_rows_q5_1_swar(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first,
                                   uint32_t n, const void *acts, size_t act_stride, uint32_t tokens)
{
    const struct kind kind = {.bytes = 24, .bits = 5, .has_minimum = true};
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind);
}

KG_ONE_PAGE void kg_rows_q8_0_swar(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first,
                                   uint32_t n, const void *acts, size_t act_stride, uint32_t tokens)
{
    const struct kind kind = {.bytes = 34, .bits = 8, .offset = 128};
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind);
}
