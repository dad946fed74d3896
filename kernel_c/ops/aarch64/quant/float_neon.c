/* Products with float weights by NEON. The 16 lanes of dot (kgpt/ops.h) are four registers for each row. */
#include "neon.h"

#include "kgpt/mem.h"
#include "ops/quant/versions.h"

#define LANES 16
#define VECTORS 4
#define TOKENS 4 /* computed together */

/* Four weights from memory. */
KG_INLINE float32x4_t load_four_weights(const uint8_t *p, const uint32_t type)
{
    if (type == KG_TYPE_F32) {
        return vreinterpretq_f32_u8(vld1q_u8(p));
    }
    const uint16x4_t halves = vreinterpret_u16_u8(vld1_u8(p));
    return type == KG_TYPE_F16 ? vcvt_f32_f16(vreinterpret_f16_u16(halves))
                               : vreinterpretq_f32_u32(vshll_n_u16(halves, 16));
}

KG_INLINE void add_16_products(float32x4_t sum[VECTORS], const uint8_t *w, const float *x, const uint32_t type)
{
    const size_t size = type == KG_TYPE_F32 ? 4 : 2;
    KG_UNROLL
    for (uint32_t v = 0; v < VECTORS; v++) {
        sum[v] += load_four_weights(w + 4 * v * size, type) * vld1q_f32(x + 4 * v);
    }
}

/* A row times `tokens` vectors x. The end of the row is padded with zeros: adding 0 * 0 does not change a lane,
 * because a lane is never -0. */
KG_INLINE void dots(float *y, size_t y_stride, const uint8_t *w, const float *x, size_t x_stride, size_t n,
                    const uint32_t tokens, const uint32_t type)
{
    const size_t size = type == KG_TYPE_F32 ? 4 : 2, whole = n - n % LANES;
    float32x4_t sum[TOKENS][VECTORS] = {0};
    for (size_t i = 0; i < whole; i += LANES) {
        KG_UNROLL
        for (uint32_t t = 0; t < tokens; t++) {
            add_16_products(sum[t], w + i * size, x + t * x_stride + i, type);
        }
    }
    KG_UNROLL
    for (uint32_t t = 0; t < tokens; t++) {
        if (whole < n) {
            uint8_t weights[LANES * 4] = {0};
            float values[LANES] = {0};
            memcpy(weights, w + whole * size, (n - whole) * size);
            memcpy(values, x + t * x_stride + whole, (n - whole) * sizeof *x);
            add_16_products(sum[t], weights, values, type);
        }
        const float32x4_t four = (sum[t][0] + sum[t][2]) + (sum[t][1] + sum[t][3]);
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

void kg_rows_f32_neon(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                      const void *acts, size_t act_stride, uint32_t tokens)
{
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, KG_TYPE_F32);
}

void kg_rows_f16_neon(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                      const void *acts, size_t act_stride, uint32_t tokens)
{
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, KG_TYPE_F16);
}

void kg_rows_bf16_neon(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                       const void *acts, size_t act_stride, uint32_t tokens)
{
    rows(y, y_stride, matrix, first, n, acts, act_stride, tokens, KG_TYPE_BF16);
}
