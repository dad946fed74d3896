/* Products of types with 4-bit codes (codebook.h) in 64-bit words, eight rows together.
 *
 * A byte holds the codes of two values v0 and v1, which are 16 columns apart. One load translates the byte to the word
 * v0 + v1 2^32. The word of the activations is a1 + a0 2^32, so bits 32 to 63 of the product are v0 a0 + v1 a1. The
 * sum of the lower fields, v0 a1, stays far below 2^31: adding 2^31 and shifting gives the upper field exactly. */
#include "kgpt/mem.h"
#include "ops/quant/act.h"
#include "ops/quant/codebook.h"
#include "ops/quant/versions.h"
#include "swar.h"

typedef float f32x4 __attribute__((vector_size(16)));
typedef f32x4 f32x4_at __attribute__((aligned(4), may_alias));

/* pair(a, b) for each of 16 values a. */
#define PAIRS(b, ...) PAIRS_(b, __VA_ARGS__)
#define PAIRS_(z, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)                                               \
    PAIR(a, z), PAIR(b, z), PAIR(c, z), PAIR(d, z), PAIR(e, z), PAIR(f, z), PAIR(g, z), PAIR(h, z), PAIR(i, z), \
        PAIR(j, z), PAIR(k, z), PAIR(l, z), PAIR(m, z), PAIR(n, z), PAIR(o, z), PAIR(p, z)
#define PAIR(a, b) (uint64_t)(a) + ((uint64_t)(b) << 32)
#define IQ4_PAIRS(b) PAIRS(b, KG_IQ4_VALUES)
#define MXFP4_PAIRS(b) PAIRS(b, KG_MXFP4_VALUES)

/* Indexed by a byte of two codes, the first one in the low bits. */
static const uint64_t iq4_pairs[256] = {KG_MAP16(IQ4_PAIRS, KG_IQ4_VALUES)};
static const uint64_t mxfp4_pairs[256] = {KG_MAP16(MXFP4_PAIRS, KG_MXFP4_VALUES)};

/* The sums of 32 products for each of eight rows. `codes` are 16 bytes of each row in units of 8. */
KG_INLINE void multiply_codes(int64_t to[8], const uint8_t *codes, const int8_t *q, const uint64_t *pairs)
{
    uint64_t sum[8] = {0};
    for (uint32_t k = 0; k < 2; k++, codes += 64, q += 8) {
        uint64_t a[8];
        KG_UNROLL
        for (uint32_t c = 0; c < 8; c++) {
            a[c] = (uint64_t)q[c + 16] + ((uint64_t)q[c] << 32);
        }
        for (uint32_t r = 0; r < 8; r++) {
            const uint64_t w = kg_load64(codes + 8 * r);
            KG_UNROLL
            for (uint32_t c = 0; c < 8; c++) {
                sum[r] += pairs[w >> 8 * c & 255] * a[c];
            }
        }
    }
    for (uint32_t r = 0; r < 8; r++) {
        to[r] = (int64_t)(sum[r] + 0x80000000u) >> 32;
    }
}

/* Adds d * i * x to the sums of eight rows, each product rounded. Float operations come together, because an emulator
 * stores all registers before each one. */
KG_INLINE void add_scaled(f32x4 sum[2], const float d[8], const int64_t i[8], const float x)
{
    float value[8];
    for (uint32_t r = 0; r < 8; r++) {
        value[r] = (float)i[r];
    }
    __asm__ volatile("" : : "r"(value), "r"(d) : "memory"); /* through memory, because shuffles are emulated as well */
    const f32x4 scale = {x, x, x, x};
    sum[0] += *(const f32x4_at *)d * *(const f32x4_at *)value * scale;
    sum[1] += *(const f32x4_at *)(d + 4) * *(const f32x4_at *)(value + 4) * scale;
}

KG_INLINE void load_eight_halves(float to[8], const uint8_t *p)
{
    for (uint32_t r = 0; r < 8; r++) {
        to[r] = kg_half_value(kg_load16(p + 2 * r));
    }
}

/* Computes eight rows and one token. */
typedef void tile_fn(float *y, const uint8_t *p, uint32_t blocks, const void *acts);

static void tile_iq4_nl(float *y, const uint8_t *p, uint32_t blocks, const void *acts)
{
    const struct kg_act_q8 *a = acts;
    f32x4 sum[2] = {0};
    for (uint32_t b = 0; b < blocks; b++, a++, p += KG_GROUP * 18) {
        int64_t i[8];
        float d[8];
        multiply_codes(i, p + 16, a->q, iq4_pairs);
        load_eight_halves(d, p);
        add_scaled(sum, d, i, a->d);
    }
    memcpy(y, sum, sizeof sum);
}

static void tile_mxfp4(float *y, const uint8_t *p, uint32_t blocks, const void *acts)
{
    const struct kg_act_q8 *a = acts;
    f32x4 sum[2] = {0};
    for (uint32_t b = 0; b < blocks; b++, a++, p += KG_GROUP * 17) {
        int64_t i[8];
        float d[8];
        multiply_codes(i, p + 8, a->q, mxfp4_pairs);
        for (uint32_t r = 0; r < 8; r++) {
            d[r] = p[r] > 1 ? kg_e8m0_value(p[r]) : 0; /* subnormal */
        }
        add_scaled(sum, d, i, a->d);
    }
    memcpy(y, sum, sizeof sum);
}

/* Scale `part` of a row: the lower 4 bits are in 4 bytes for each row, the upper 2 bits in one of two bytes. */
KG_INLINE int64_t scale_iq4_xs(const uint8_t *p, uint32_t row, uint32_t part)
{
    uint32_t upper = p[16 + 8 * (part / 4) + row] >> part % 4 * 2 & 3,
             lower = p[32 + 4 * row + part / 2] >> part % 2 * 4;
    return (int64_t)((lower & 15) | upper << 4) - 32;
}

static void tile_iq4_xs(float *y, const uint8_t *p, uint32_t blocks, const void *acts)
{
    const struct kg_act_q8k *a = acts;
    f32x4 sum[2] = {0};
    for (uint32_t b = 0; b < blocks; b++, a++, p += KG_GROUP * 136) {
        int64_t total[8] = {0};
        float d[8];
        for (uint32_t part = 0; part < 8; part++) {
            int64_t i[8];
            multiply_codes(i, p + 64 + 128 * part, a->q + 32 * part, iq4_pairs);
            for (uint32_t r = 0; r < 8; r++) {
                total[r] += i[r] * scale_iq4_xs(p, r, part);
            }
        }
        load_eight_halves(d, p);
        add_scaled(sum, d, total, a->d);
    }
    memcpy(y, sum, sizeof sum);
}

KG_INLINE void rows_of_codes(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                             const void *acts, size_t act_stride, uint32_t tokens, tile_fn *tile, kg_rows_fn *rest)
{
    const struct kg_type_info *info = kg_type_info(matrix->type);
    const uint32_t blocks = matrix->columns / info->block, whole = n - n % KG_GROUP;
    for (uint32_t r = first; r < first + whole; r += KG_GROUP) {
        const uint8_t *p = matrix->data + (size_t)r * blocks * info->bytes, *a = acts;
        for (uint32_t t = 0; t < tokens; t++, a += act_stride) {
            tile(y + t * y_stride + r, p, blocks, a);
        }
    }
    if (whole < n) {
        rest(y, y_stride, matrix, first + whole, n - whole, acts, act_stride, tokens);
    }
}

KG_ONE_PAGE void kg_rows_iq4_nl_swar(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first,
                                     uint32_t n, const void *acts, size_t act_stride, uint32_t tokens)
{
    rows_of_codes(y, y_stride, matrix, first, n, acts, act_stride, tokens, tile_iq4_nl, kg_rows_q8_ref);
}

KG_ONE_PAGE void kg_rows_iq4_xs_swar(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first,
                                     uint32_t n, const void *acts, size_t act_stride, uint32_t tokens)
{
    rows_of_codes(y, y_stride, matrix, first, n, acts, act_stride, tokens, tile_iq4_xs, kg_rows_q8k_ref);
}

KG_ONE_PAGE void kg_rows_mxfp4_swar(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first,
                                    uint32_t n, const void *acts, size_t act_stride, uint32_t tokens)
{
    rows_of_codes(y, y_stride, matrix, first, n, acts, act_stride, tokens, tile_mxfp4, kg_rows_q8_ref);
}
