/* Products with float weights in 512-bit vectors. The 16 lanes of dot (kgpt/ops.h) are one register for each row and
 * token. For one token the functions for AVX2 are as fast: memory limits them, and the latency of additions. */
#include "avx512.h"
#include "kgpt/mem.h"
#include "ops/quant/versions.h"

#define LANES 16
#define ROWS 4   /* computed together */
#define TOKENS 4 /* computed together */

typedef float f32x4 __attribute__((vector_size(16)));

/* Sixteen weights from memory. */
KG_INLINE f32x16 load_weights(const uint8_t *p, const uint32_t type)
{
    f32x16 floats;
    if (type == KG_TYPE_F32) {
        return *(const f32x16_at *)(const void *)p;
    }
    if (type == KG_TYPE_F16) {
        __asm__("vcvtph2ps %1, %0" : "=v"(floats) : "m"(*(const i32x8_at *)p));
        return floats;
    }
    typedef unsigned short u16x16_at __attribute__((vector_size(32), aligned(1), may_alias));
    return (f32x16)(__builtin_convertvector(*(const u16x16_at *)p, u32x16) << 16);
}

/* The reduction of dot: 16 lanes to 8, 4, 2, 1. */
KG_INLINE float add_lanes(f32x16 v)
{
    const f32x8 eight = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                        __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
    const f32x4 four =
        __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
    return (four[0] + four[2]) + (four[1] + four[3]);
}

/* `rows` rows, `stride` bytes apart, times `tokens` vectors x; both are constant. The end of a row is padded with
 * zeros: adding 0 * 0 does not change a lane, because a lane is never -0. */
KG_INLINE void dots(float *y, size_t y_stride, const uint8_t *w, size_t stride, const float *x, size_t x_stride,
                    size_t n, const uint32_t rows, const uint32_t tokens, const uint32_t type)
{
    const size_t size = type == KG_TYPE_F32 ? 4 : 2, whole = n - n % LANES;
    f32x16 sum[ROWS][TOKENS] = {0};
    for (size_t i = 0; i < whole; i += LANES) {
        f32x16 weights[ROWS];
        KG_UNROLL
        for (uint32_t r = 0; r < rows; r++) {
            weights[r] = load_weights(w + r * stride + i * size, type);
        }
        KG_UNROLL
        for (uint32_t t = 0; t < tokens; t++) {
            const f32x16 values = *(const f32x16_at *)(x + t * x_stride + i);
            KG_UNROLL
            for (uint32_t r = 0; r < rows; r++) {
                sum[r][t] += weights[r] * values;
            }
        }
    }
    KG_UNROLL
    for (uint32_t r = 0; r < rows; r++) {
        uint8_t weights[LANES * 4] = {0};
        memcpy(weights, w + r * stride + whole * size, (n - whole) * size);
        KG_UNROLL
        for (uint32_t t = 0; t < tokens; t++) {
            if (whole < n) {
                float values[LANES] = {0};
                memcpy(values, x + t * x_stride + whole, (n - whole) * sizeof *x);
                sum[r][t] += load_weights(weights, type) * *(const f32x16_at *)values;
            }
            y[t * y_stride + r] = add_lanes(sum[r][t]);
        }
    }
}

/* `rows` rows (constant) with all tokens. */
KG_INLINE void all_tokens(float *y, size_t y_stride, const uint8_t *w, size_t stride, const float *x, size_t x_stride,
                          size_t n, const uint32_t rows, uint32_t tokens, const uint32_t type)
{
    for (; tokens >= TOKENS; tokens -= TOKENS, x += TOKENS * x_stride, y += TOKENS * y_stride) {
        dots(y, y_stride, w, stride, x, x_stride, n, rows, TOKENS, type);
    }
    for (; tokens; tokens--, x += x_stride, y += y_stride) {
        dots(y, y_stride, w, stride, x, x_stride, n, rows, 1, type);
    }
}

KG_INLINE void rows(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                    const void *acts, size_t act_stride, uint32_t tokens, const uint32_t type, kg_rows_fn *one_token)
{
    if (tokens == 1) {
        one_token(y, y_stride, matrix, first, n, acts, act_stride, tokens);
        return;
    }
    const size_t stride = kg_row_size(type, matrix->columns), columns = matrix->columns, x_stride = act_stride / 4;
    const uint8_t *w = matrix->data + first * stride;
    uint32_t r = first;
    for (; r + ROWS <= first + n; r += ROWS, w += ROWS * stride) {
        all_tokens(y + r, y_stride, w, stride, acts, x_stride, columns, ROWS, tokens, type);
    }
    for (; r < first + n; r++, w += stride) {
        all_tokens(y + r, y_stride, w, stride, acts, x_stride, columns, 1, tokens, type);
    }
}

void kg_rows_f32_avx512(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                        const void *acts, size_t act_stride, uint32_t tokens)
{
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, KG_TYPE_F32, kg_rows_f32_avx2);
}

void kg_rows_f16_avx512(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                        const void *acts, size_t act_stride, uint32_t tokens)
{
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, KG_TYPE_F16, kg_rows_f16_avx2);
}

void kg_rows_bf16_avx512(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                         const void *acts, size_t act_stride, uint32_t tokens)
{
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, KG_TYPE_BF16, kg_rows_bf16_avx2);
}
