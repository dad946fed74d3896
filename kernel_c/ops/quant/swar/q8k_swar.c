/* Products of types with blocks of 256 by SWAR in 64-bit words (swar.h): row by row, 16 values at a time. */
#include "ops/quant/act.h"
#include "ops/quant/half.h"
#include "ops/quant/versions.h"
#include "swar.h"

#define BYTES(value) (0x0101010101010101u * (value))
#define FIELDS(value) (0x0001000100010001u * (value))

/* Of one block of a row: 16 scales of a byte each, or 8 for 32 values each; `min` are the factors of the activation
 * sums. */
struct scales {
    uint64_t scale[2], min[2];
    float d, m;
};

/* Properties of a type; constant in each specialized function. */
struct kind {
    uint32_t bytes; /* of a block */
    uint32_t bits;  /* of a value */
    bool wide;      /* a scale applies to 32 values */
    bool has_minimum;
    int32_t offset; /* subtracted from a value without minimum */
    void (*scales)(struct scales *to, const uint8_t *p, uint32_t row);
    /* The even, then the odd ones of the 8 values from 16 * part + 8 * octet. */
    void (*values)(uint64_t to[2], const uint8_t *p, uint32_t row, const uint32_t part, const uint32_t octet);
};

/* Unit `index` of a field; the field's eight rows begin at p. */
KG_INLINE uint64_t unit(const uint8_t *p, uint32_t index, uint32_t row)
{
    return kg_load64(p + 64 * index + 8 * row);
}

KG_INLINE uint64_t word(const uint8_t *p, uint32_t index, uint32_t row)
{
    uint32_t value;
    __builtin_memcpy(&value, p + 32 * index + 4 * row, sizeof value);
    return value;
}

KG_INLINE float half(const uint8_t *p, uint32_t row)
{
    return kg_half_value(kg_load16(p + 2 * row));
}

/* Extracts `bits` of each byte from bit `from`, and adds them at bit `to`. */
KG_INLINE void add_fields(uint64_t fields[2], uint64_t w, const uint32_t from, const uint32_t bits, const uint32_t to)
{
    fields[0] |= (w >> from & FIELDS((1u << bits) - 1)) << to;
    fields[1] |= (w >> (8 + from) & FIELDS((1u << bits) - 1)) << to;
}

KG_INLINE void scales_q2_k(struct scales *to, const uint8_t *p, uint32_t row)
{
    for (uint32_t i = 0; i < 2; i++) {
        to->scale[i] = unit(p, i, row) & BYTES(15);
        to->min[i] = unit(p, i, row) >> 4 & BYTES(15);
    }
    to->d = half(p + 640, row);
    to->m = half(p + 656, row);
}

KG_INLINE void values_q2_k(uint64_t to[2], const uint8_t *p, uint32_t row, const uint32_t part, const uint32_t octet)
{
    add_fields(to, unit(p + 128, 4 * (part / 8) + 2 * (part % 2) + octet, row), part / 2 % 4 * 2, 2, 0);
}

/* Signed bytes: a scale of 0 to 63 minus 32. */
KG_INLINE void scales_q3_k(struct scales *to, const uint8_t *p, uint32_t row)
{
    uint64_t low = word(p + 768, 0, row) | word(p + 768, 1, row) << 32, high = word(p + 768, 2, row);
    high |= high << 30; /* the next two bits of each byte belong to the next four scales */
    for (uint32_t i = 0; i < 2; i++) {
        uint64_t bits = (low >> 4 * i & BYTES(15)) | (high >> 4 * i & BYTES(3)) << 4;
        to->scale[i] = to->min[i] = ((bits | BYTES(128)) - BYTES(32)) ^ BYTES(128);
    }
    to->d = half(p + 864, row);
}

KG_INLINE void values_q3_k(uint64_t to[2], const uint8_t *p, uint32_t row, const uint32_t part, const uint32_t octet)
{
    add_fields(to, unit(p + 256, 4 * (part / 8) + 2 * (part % 2) + octet, row), part / 2 % 4 * 2, 2, 0);
    add_fields(to, unit(p, 2 * (part % 2) + octet, row), part / 2, 1, 2);
}

KG_INLINE void scales_q4_k(struct scales *to, const uint8_t *p, uint32_t row)
{
    const uint32_t six = 0x3f3f3f3f, low = 0x0f0f0f0f, high = 0x30303030;
    uint64_t first = word(p + 32, 0, row), second = word(p + 32, 1, row), third = word(p + 32, 2, row);
    to->scale[0] = (first & six) | ((third & low) | (first >> 2 & high)) << 32;
    to->min[0] = (second & six) | ((third >> 4 & low) | (second >> 2 & high)) << 32;
    to->d = half(p, row);
    to->m = half(p + 16, row);
}

KG_INLINE void values_q4_k(uint64_t to[2], const uint8_t *p, uint32_t row, const uint32_t part, const uint32_t octet)
{
    add_fields(to, unit(p + 128, 4 * (part / 4) + 2 * (part % 2) + octet, row), part / 2 % 2 * 4, 4, 0);
}

KG_INLINE void values_q5_k(uint64_t to[2], const uint8_t *p, uint32_t row, const uint32_t part, const uint32_t octet)
{
    values_q4_k(to, p + 256, row, part, octet);
    add_fields(to, unit(p + 128, 2 * (part % 2) + octet, row), part / 2, 1, 4);
}

KG_INLINE void scales_q6_k(struct scales *to, const uint8_t *p, uint32_t row)
{
    to->scale[0] = to->min[0] = unit(p + 1536, 0, row);
    to->scale[1] = to->min[1] = unit(p + 1536, 1, row);
    to->d = half(p + 1664, row);
}

KG_INLINE void values_q6_k(uint64_t to[2], const uint8_t *p, uint32_t row, const uint32_t part, const uint32_t octet)
{
    const uint32_t quarter = part / 2 % 4, at = 2 * (part % 2) + octet;
    add_fields(to, unit(p, 8 * (part / 8) + 4 * (quarter % 2) + at, row), quarter / 2 * 4, 4, 0);
    add_fields(to, unit(p + 1024, 4 * (part / 8) + at, row), 2 * quarter, 2, 4);
}

/* 16 values: as many products are added in 16-bit fields as fit. */
KG_INLINE int64_t multiply_part(const uint64_t first[2], const uint64_t second[2], const uint64_t *x,
                                const uint32_t bits)
{
    uint64_t a = first[0] * x[0], b = first[1] * x[1], c = second[0] * x[2], d = second[1] * x[3];
    if (bits <= 4) {
        return kg_topmost(a + b + c + d);
    }
    if (bits == 5) {
        return kg_topmost(a + b) + kg_topmost(c + d);
    }
    return kg_topmost(a) + kg_topmost(b) + kg_topmost(c) + kg_topmost(d);
}

/* Scale `part` of 16, or of 8 for two parts each. All are signed; minima are never negative. */
KG_INLINE int32_t scale_at(const uint64_t scales[2], const uint32_t part, const struct kind kind)
{
    const uint32_t index = kind.wide ? part / 2 : part;
    return (int8_t)(scales[index / 8] >> 8 * (index % 8));
}

/* Parts of a block whose code is unrolled; more would not fit into a page. */
KG_INLINE uint32_t parts_at_once(const uint32_t bits)
{
    return bits == 5 ? 4 : bits == 3 || bits == 6 ? 8 : 16;
}

KG_INLINE float add_block(float sum, const uint8_t *p, uint32_t row, const struct kg_act_q8k *a, const uint64_t *x,
                          const struct kind kind)
{
    struct scales s;
    int64_t i = 0, j = 0;
    kind.scales(&s, p, row);
    const uint32_t at_once = parts_at_once(kind.bits);
    KG_NO_UNROLL
    for (uint32_t begin = 0; begin < 16; begin += at_once) {
        KG_UNROLL
        for (uint32_t k = 0; k < at_once; k++) {
            const uint32_t part = begin + k;
            uint64_t first[2] = {0}, second[2] = {0};
            kind.values(first, p, row, part, 0);
            kind.values(second, p, row, part, 1);
            i += scale_at(s.scale, part, kind) * multiply_part(first, second, x + 4 * part, kind.bits);
            j += scale_at(s.min, part, kind) * a->sums[part];
        }
    }
    float v = s.d * (float)(kind.has_minimum ? i : i - kind.offset * j);
    v = kind.has_minimum ? v - s.m * (float)j : v;
    return sum + v * a->d;
}

KG_INLINE void rows(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                    const void *acts, size_t act_stride, uint32_t tokens, const struct kind kind)
{
    const uint32_t blocks = matrix->columns / 256, whole = n - n % KG_GROUP;
    const size_t row_bytes = (size_t)blocks * kind.bytes, packed_at = kg_act_q8k_packed_at(matrix->columns);
    for (uint32_t r = first; r < first + whole; r++) {
        const uint8_t *group = matrix->data + (r - r % KG_GROUP) * row_bytes;
        for (uint32_t t = 0; t < tokens; t++) {
            const uint8_t *act = (const uint8_t *)acts + t * act_stride;
            float sum = 0;
            for (uint32_t b = 0; b < blocks; b++) {
                const struct kg_act_q8k *a = (const void *)act;
                const uint64_t *x = (const void *)(act + packed_at);
                sum = add_block(sum, group + (size_t)b * KG_GROUP * kind.bytes, r % KG_GROUP, a + b, x + 64 * b, kind);
            }
            y[t * y_stride + r] = sum;
        }
    }
    if (whole < n) {
        kg_rows_q8k_ref(y, y_stride, matrix, first + whole, n - whole, acts, act_stride, tokens);
    }
}

void kg_act_q8k_swar(void *out, const float *x, uint32_t columns)
{
    kg_act_q8k_ref(out, x, columns);
    const struct kg_act_q8k *a = out;
    uint64_t *packed = (void *)((uint8_t *)out + kg_act_q8k_packed_at(columns));
    for (uint32_t i = 0; i < columns; i += 8, packed += 2) {
        kg_pack_eight(packed, a[i / 256].q + i % 256);
    }
}

KG_ONE_PAGE void kg_rows_q2_k_swar(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first,
                                   uint32_t n, const void *acts, size_t act_stride, uint32_t tokens)
{
    const struct kind kind = {84, 2, false, true, 0, scales_q2_k, values_q2_k};
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind);
}

KG_ONE_PAGE void kg_rows_q3_k_swar(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first,
                                   uint32_t n, const void *acts, size_t act_stride, uint32_t tokens)
{
    const struct kind kind = {110, 3, false, false, 4, scales_q3_k, values_q3_k};
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind);
}

KG_ONE_PAGE void kg_rows_q4_k_swar(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first,
                                   uint32_t n, const void *acts, size_t act_stride, uint32_t tokens)
{
    const struct kind kind = {144, 4, true, true, 0, scales_q4_k, values_q4_k};
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind);
}

KG_ONE_PAGE void kg_rows_q5_k_swar(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first,
                                   uint32_t n, const void *acts, size_t act_stride, uint32_t tokens)
{
    const struct kind kind = {176, 5, true, true, 0, scales_q4_k, values_q5_k};
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind);
}

KG_ONE_PAGE void kg_rows_q6_k_swar(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first,
                                   uint32_t n, const void *acts, size_t act_stride, uint32_t tokens)
{
    const struct kind kind = {210, 6, false, false, 32, scales_q6_k, values_q6_k};
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind);
}
