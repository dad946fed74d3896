/* Products with float weights in 256-bit vectors. The 16 lanes of dot (kgpt/ops.h) are two registers for each row. */
#include "avx2.h"
#include "kgpt/mem.h"
#include "ops/quant/versions.h"

#define LANES 16
#define TOKENS 4 /* computed together */

typedef float f32x4 __attribute__((vector_size(16)));

/* Eight weights from memory. */
KG_INLINE f32x8 load_eight(const uint8_t *p, const uint32_t type)
{
    if (type == KG_TYPE_F32) {
        return (f32x8)load(p);
    }
    i32x4 halves = *(const i32x4_at *)p;
    if (type == KG_TYPE_F16) {
        return floats_of_halves(halves);
    }
    typedef unsigned short u16x8 __attribute__((vector_size(16)));
    return (f32x8)(__builtin_convertvector((u16x8)halves, u32x8) << 16);
}

/* A row times `tokens` vectors x. The end of the row is padded with zeros: adding 0 * 0 does not change a lane,
 * because a lane is never -0. */
KG_INLINE void dots(float *y, size_t y_stride, const uint8_t *w, const float *x, size_t x_stride, size_t n,
                    const uint32_t tokens, const uint32_t type)
{
    const size_t size = type == KG_TYPE_F32 ? 4 : 2, whole = n - n % LANES;
    f32x8 sum[TOKENS][2] = {0};
    for (size_t i = 0; i < whole; i += LANES) {
        f32x8 low = load_eight(w + i * size, type), high = load_eight(w + (i + 8) * size, type);
        KG_UNROLL
        for (uint32_t t = 0; t < tokens; t++) {
            sum[t][0] += low * *(const f32x8_at *)(x + t * x_stride + i);
            sum[t][1] += high * *(const f32x8_at *)(x + t * x_stride + i + 8);
        }
    }
    KG_UNROLL
    for (uint32_t t = 0; t < tokens; t++) {
        if (whole < n) {
            uint8_t weights[LANES * 4] = {0};
            float values[LANES] = {0};
            memcpy(weights, w + whole * size, (n - whole) * size);
            memcpy(values, x + t * x_stride + whole, (n - whole) * sizeof *x);
            sum[t][0] += load_eight(weights, type) * *(const f32x8_at *)values;
            sum[t][1] += load_eight(weights + 8 * size, type) * *(const f32x8_at *)(values + 8);
        }
        f32x8 eight = sum[t][0] + sum[t][1];
        f32x4 four =
            __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
        y[t * y_stride] = (four[0] + four[2]) + (four[1] + four[3]);
    }
}

KG_INLINE void rows(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                    const void *acts, size_t act_stride, uint32_t tokens, const uint32_t type)
{
    const size_t stride = kg_row_size(type, matrix->columns), columns = matrix->columns, x_stride = act_stride / 4;
    for (uint32_t r = first; r < first + n; r++) {
        const uint8_t *w = matrix->data + r * stride;
        const float *x = acts;
        uint32_t t = 0;
        for (; t + TOKENS <= tokens; t += TOKENS, x += TOKENS * x_stride) {
            dots(y + t * y_stride + r, y_stride, w, x, x_stride, columns, TOKENS, type);
        }
        for (; t < tokens; t++, x += x_stride) {
            dots(y + t * y_stride + r, y_stride, w, x, x_stride, columns, 1, type);
        }
    }
}

void kg_rows_f32_avx2(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                      const void *acts, size_t act_stride, uint32_t tokens)
{
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, KG_TYPE_F32);
}

void kg_rows_f16_avx2(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                      const void *acts, size_t act_stride, uint32_t tokens)
{
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, KG_TYPE_F16);
}

void kg_rows_bf16_avx2(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                       const void *acts, size_t act_stride, uint32_t tokens)
{
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, KG_TYPE_BF16);
}
