/* Products of types with blocks of 32 in words of 64 bits (swar.h), eight rows at once.
 *
 * The sum of products i and the half d are multiplied as integers too: d is M * 2^(e - 25) with a whole M below 2^11, so that d * i is
 * exact in 64 bits, and becomes a float, rounded once as the specification wants it, by one conversion. With a minimum the specification
 * rounds d * i before it adds m * j, which is exact: below 2^24 nothing is rounded, and above, for unusual halves (infinite or
 * subnormal ones, and zeros), the eight rows go the way of the reference. */
#include "act.h"
#include "half.h"
#include "swar.h"
#include "versions.h"

/* What tells the types apart, known when a function is compiled. */
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

/* Low nibbles times x[0] and x[1], high ones times x[4] and x[5]: 8 bytes of each of eight rows. */
KG_INLINE void multiply_nibbles(int64_t sum[8], const uint8_t *p, const uint64_t *x)
{
    const uint64_t low_even = x[0], low_odd = x[1], high_even = x[4], high_odd = x[5];
    KG_UNROLL
    for (uint32_t r = 0; r < 8; r++) {
        uint64_t w = kg_load64(p + 8 * r);
        uint64_t products = (w & KG_NIBBLES) * low_even;
        products += (w >> 4 & KG_NIBBLES) * high_even;
        products += (w >> 8 & KG_NIBBLES) * low_odd;
        products += (w >> 12 & KG_NIBBLES) * high_odd;
        sum[r] += kg_topmost(products);
    }
}

/* Bits 0, 2, 4, 6 of a byte, each in its field. */
KG_INLINE uint64_t spread(uint32_t byte)
{
    return byte * 0x0000040010004001u & 0x0001000100010001u;
}

/* The same with fifth bits: `fifth` has the words of eight rows. Only two products of these fit into a field. */
KG_INLINE void multiply_fives(int64_t sum[8], const uint8_t *p, const uint8_t *fifth, const uint32_t octet,
                              const uint64_t *x)
{
    KG_UNROLL
    for (uint32_t r = 0; r < 8; r++) {
        uint64_t w = kg_load64(p + 8 * r);
        uint32_t low = fifth[4 * r + octet], high = fifth[4 * r + octet + 2];
        uint64_t even = ((w & KG_NIBBLES) | spread(low) << 4) * x[0];
        even += ((w >> 4 & KG_NIBBLES) | spread(high) << 4) * x[4];
        uint64_t odd = ((w >> 8 & KG_NIBBLES) | spread(low >> 1) << 4) * x[1];
        odd += ((w >> 12 & KG_NIBBLES) | spread(high >> 1) << 4) * x[5];
        sum[r] += kg_topmost(even) + kg_topmost(odd);
    }
}

/* 8 bytes of each of eight rows, as 16 * nibble + nibble - 128. */
KG_INLINE void multiply_bytes(int64_t sum[8], const uint8_t *p, const uint64_t *x)
{
    const uint64_t even = x[0], odd = x[1];
    KG_UNROLL
    for (uint32_t r = 0; r < 8; r++) {
        uint64_t w = kg_load64(p + 8 * r) ^ 0x8080808080808080u;
        uint64_t low = (w & KG_NIBBLES) * even + (w >> 8 & KG_NIBBLES) * odd;
        uint64_t high = (w >> 4 & KG_NIBBLES) * even + (w >> 12 & KG_NIBBLES) * odd;
        sum[r] += kg_topmost(low) + kg_topmost(high) * 16;
    }
}

/* half * value * 2^24, for a half that is normal. */
KG_INLINE int64_t scaled(uint32_t half, int64_t value)
{
    int64_t product = value * (int64_t)((half & 0x3ff) | 0x400);
    return half & 0x8000 ? -product : product;
}

/* Times 2^(exponent of half - 1). */
KG_INLINE uint64_t shifted(uint32_t half, int64_t value)
{
    return (uint64_t)value << ((half >> 10 & 31) - 1);
}

/* As the reference does it. */
static void add_eight_slowly(float sum[8], const uint8_t *p, const int64_t *i, const struct kg_act_q8 *a,
                             bool has_minimum)
{
    for (uint32_t r = 0; r < 8; r++) {
        float v = kg_half_value(kg_load16(p + 2 * r)) * (float)i[r];
        if (has_minimum) {
            v += kg_half_value(kg_load16(p + 16 + 2 * r)) * a->s;
        }
        sum[r] += v * a->d;
    }
}

KG_INLINE void add_eight(float sum[8], const uint8_t *p, const int64_t i[8], const struct kg_act_q8 *a,
                         const struct kind kind)
{
    uint64_t d[2] = {kg_load64(p), kg_load64(p + 8)}, m[2] = {0};
    bool slow = kg_unusual_halves(d[0]) || kg_unusual_halves(d[1]);
    int64_t product[8];
    if (kind.has_minimum) {
        m[0] = kg_load64(p + 16), m[1] = kg_load64(p + 24);
        slow = slow || kg_unusual_halves(m[0]) || kg_unusual_halves(m[1]);
    }
    uint64_t large = 0;
    KG_UNROLL
    for (uint32_t r = 0; r < 8; r++) {
        product[r] = scaled((uint32_t)(d[r / 4] >> 16 * (r % 4)), i[r]);
        large |= (uint64_t)(product[r] + (1 << 24));
    }
    if (slow || (kind.has_minimum && large >> 25)) {
        add_eight_slowly(sum, p, i, a, kind.has_minimum);
        return;
    }
    const int64_t j = a->sum;
    KG_UNROLL
    for (uint32_t r = 0; r < 8; r++) {
        uint64_t value = shifted((uint32_t)(d[r / 4] >> 16 * (r % 4)), product[r]);
        if (kind.has_minimum) {
            uint32_t half = (uint32_t)(m[r / 4] >> 16 * (r % 4));
            value += shifted(half, scaled(half, j));
        }
        sum[r] += (float)(int64_t)value * a->low;
    }
}

/* Eight rows with one token. */
KG_INLINE void tile(float *y, const uint8_t *p, uint32_t blocks, const struct kg_act_q8 *a, const uint64_t *x,
                    const struct kind kind)
{
    float sum[8] = {0};
    const uint32_t payload = kind.has_minimum ? 32 : 16;
    for (uint32_t b = 0; b < blocks; b++, a++, x += 8, p += KG_GROUP * kind.bytes) {
        int64_t i[8] = {0};
        if (kind.bits == 8) {
            for (uint32_t k = 0; k < 4; k++) {
                multiply_bytes(i, p + payload + 64 * k, x + 2 * k);
            }
        } else if (kind.bits == 5) {
            multiply_fives(i, p + payload + 32, p + payload, 0, x);
            multiply_fives(i, p + payload + 96, p + payload, 1, x + 2);
        } else {
            multiply_nibbles(i, p + payload, x);
            multiply_nibbles(i, p + payload + 64, x + 2);
        }
        if (kind.offset) {
            for (uint32_t r = 0; r < 8; r++) {
                i[r] -= kind.offset * a->sum;
            }
        }
        add_eight(sum, p, i, a, kind);
    }
    for (uint32_t r = 0; r < 8; r++) {
        y[r] = sum[r];
    }
}

KG_INLINE void rows(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                    const void *acts, size_t act_stride, uint32_t tokens, const struct kind kind)
{
    const uint32_t blocks = matrix->columns / 32, whole = n - n % KG_GROUP;
    const size_t row_bytes = (size_t)blocks * kind.bytes, packed_at = kg_act_q8_packed_at(matrix->columns);
    for (uint32_t r = first; r < first + whole; r += KG_GROUP) {
        const uint8_t *p = matrix->data + r * row_bytes, *a = acts;
        for (uint32_t t = 0; t < tokens; t++, a += act_stride) {
            tile(y + t * y_stride + r, p, blocks, (const void *)a, (const void *)(a + packed_at), kind);
        }
    }
    if (whole < n) {
        kg_rows_q8_ref(y, y_stride, matrix, first + whole, n - whole, acts, act_stride, tokens);
    }
}

void kg_rows_q4_0_swar(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                       const void *acts, size_t act_stride, uint32_t tokens)
{
    const struct kind kind = {.bytes = 18, .bits = 4, .offset = 8};
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind);
}

void kg_rows_q4_1_swar(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                       const void *acts, size_t act_stride, uint32_t tokens)
{
    const struct kind kind = {.bytes = 20, .bits = 4, .has_minimum = true};
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind);
}

void kg_rows_q5_0_swar(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                       const void *acts, size_t act_stride, uint32_t tokens)
{
    const struct kind kind = {.bytes = 22, .bits = 5, .offset = 16};
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind);
}

void kg_rows_q5_1_swar(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                       const void *acts, size_t act_stride, uint32_t tokens)
{
    const struct kind kind = {.bytes = 24, .bits = 5, .has_minimum = true};
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind);
}

void kg_rows_q8_0_swar(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                       const void *acts, size_t act_stride, uint32_t tokens)
{
    const struct kind kind = {.bytes = 34, .bits = 8, .offset = 128};
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind);
}
