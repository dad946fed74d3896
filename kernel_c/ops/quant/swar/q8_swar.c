/* Products of types with blocks of 32 by SWAR in 64-bit words (swar.h), eight rows together.
 *
 * The sum of products i and the half d are also multiplied as integers. d is M * 2^(e - 25) with an integer M below
 * 2^11, so d * i is exact in 64 bits. One conversion to float rounds it once, as the definition requires. With a
 * minimum, the definition rounds d * i before it adds m * j, which is exact. d * i is exact below 2^24; larger
 * products and unusual halves (infinite, subnormal, zero) are computed like the reference. */
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

typedef f32x4 f32x4_at __attribute__((aligned(4), may_alias));

/* Sums of products of some rows, and parts of their floats, parked (swar.h). */
struct parked {
    kg_parked of[8];
};

/* Four rows of a block, computed like the reference: `i` are the sums of products without an offset. */
static KG_ELSEWHERE f32x4 add_slowly(f32x4 sum, kg_parked i0, kg_parked i1, kg_parked i2, kg_parked i3,
                                     const uint8_t *p, const struct kg_act_q8 *a, int32_t offset, bool has_minimum)
{
    const kg_parked i[4] = {i0, i1, i2, i3};
    for (uint32_t r = 0; r < 4; r++) {
        float v = kg_half_value(kg_load16(p + 2 * r)) * (float)((int64_t)kg_fetch(i[r]) - a->sum * offset);
        if (has_minimum) {
            v += kg_half_value(kg_load16(p + 16 + 2 * r)) * a->s;
        }
        sum[r] += v * a->d;
    }
    return sum;
}

/* Sums of products of `rows` rows of a block. Only one unit of the activations is in registers at a time. */
KG_INLINE void multiply_rows(struct parked *i, const uint8_t *payload, const uint64_t *x, uint32_t first,
                             const uint32_t rows, const struct kind kind)
{
    const uint32_t units = kind.bits == 8 ? 4 : 2;
    KG_UNROLL
    for (uint32_t k = 0; k < units; k++) {
        const struct octets octets = octets_of(x, k, kind);
        KG_UNROLL
        for (uint32_t r = 0; r < rows; r++) {
            int64_t product = multiply_unit(payload, k, first + r, octets, kind);
            i->of[r] = kg_park(k ? (uint64_t)product + kg_fetch(i->of[r]) : (uint64_t)product);
        }
    }
}

/* (d * i + m * j) * 2^24 of a row, exact. Gathers in `large` whether the reference would round d * i. */
KG_INLINE int64_t scale_row(int64_t i, uint32_t d, uint32_t m, int64_t j, uint64_t *large, const struct kind kind)
{
    int64_t product = whole_of(d) * (i - j * kind.offset);
    if (!kind.has_minimum) {
        return product * powers[d >> 10];
    }
    *large |= (uint64_t)(product + (1 << 24));
    return product * powers[d >> 10] + whole_of(m) * j * powers[m >> 10];
}

/* Four rows of a block as floats, which `sum` gets. Returns false if the reference would round differently. */
KG_INLINE bool add_four(f32x4 *sum, const kg_parked i[4], const uint8_t *p, const struct kg_act_q8 *a,
                        const struct kind kind)
{
    const uint64_t d = kg_load64(p), m = kind.has_minimum ? kg_load64(p + 16) : d;
    uint64_t large = 0;
    int64_t v[4];
    uint32_t value[4];
    if (kg_unusual_halves(d) | (kind.has_minimum ? kg_unusual_halves(m) : 0)) {
        return false;
    }
    KG_UNROLL
    for (uint32_t r = 0; r < 4; r++) {
        const uint16_t row_d = (uint16_t)(d >> 16 * r), row_m = (uint16_t)(m >> 16 * r);
        v[r] = scale_row((int64_t)kg_fetch(i[r]), row_d, row_m, a->sum, &large, kind);
        __asm__ volatile("" : "+r"(v[r])); /* one row after the other: no row is spilled to the stack */
    }
    if (large >> 25) {
        return false;
    }
    KG_UNROLL
    for (uint32_t r = 0; r < 4; r++) {
        value[r] = kg_bits_of((float)v[r]);
        __asm__ volatile("" : "+r"(value[r]));
    }
    *sum += kg_four_floats(value) * (f32x4){a->low, a->low, a->low, a->low};
    return true;
}

/* `rows` rows, four or eight, and one token. */
KG_INLINE void tile(float *y, const uint8_t *p, uint32_t blocks, const struct kg_act_q8 *a, const uint64_t *x,
                    uint32_t first, const uint32_t rows, const struct kind kind)
{
    f32x4 sum[2] = {0};
    for (uint32_t b = 0; b < blocks; b++, a++, x += 8, p += KG_GROUP * kind.bytes) {
        struct parked i;
        multiply_rows(&i, p + (kind.has_minimum ? 32 : 16), x, first, rows, kind);
        KG_UNROLL
        for (uint32_t r = 0; r < rows; r += 4) {
            const kg_parked *four = &i.of[r];
            if (!add_four(&sum[r / 4], four, p + 2 * (first + r), a, kind)) {
                sum[r / 4] = add_slowly(sum[r / 4], four[0], four[1], four[2], four[3], p + 2 * (first + r), a,
                                        kind.offset, kind.has_minimum);
            }
        }
    }
    KG_UNROLL
    for (uint32_t r = 0; r < rows; r += 4) { /* memcpy would take an address, and keep the sums in memory */
        *(f32x4_at *)(y + first + r) = sum[r / 4];
    }
}

KG_INLINE void rows(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                    const void *acts, size_t act_stride, uint32_t tokens, const struct kind kind)
{
    const uint32_t whole = n - n % KG_GROUP, at_once = kind.bits == 4 ? 8 : 4;
    const size_t row_bytes = (size_t)matrix->columns / 32 * kind.bytes,
                 packed_at = kg_act_q8_packed_at(matrix->columns);
    for (uint32_t r = first; r < first + whole; r += KG_GROUP) {
        const uint8_t *p = matrix->data + r * row_bytes, *a = acts;
        for (uint32_t t = 0; t < tokens; t++, a += act_stride) {
            const uint64_t *x = (const void *)(a + packed_at);
            KG_NO_UNROLL
            for (uint32_t i = 0; i < KG_GROUP; i += at_once) {
                tile(y + t * y_stride + r, p, matrix->columns / 32, (const void *)a, x, i, at_once, kind);
            }
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
