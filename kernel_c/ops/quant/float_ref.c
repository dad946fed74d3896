/* Products with float weights in plain C: dot of kgpt/ops.h for each float type. */
#include "half.h"
#include "versions.h"

#define LANES 16

static inline float value_at(const uint8_t *p, uint32_t type, size_t i)
{
    if (type == KG_TYPE_F32) {
        return *(const float *)(const void *)(p + 4 * i);
    }
    uint16_t half = kg_load16(p + 2 * i);
    return type == KG_TYPE_F16 ? kg_half_value(half) : kg_float_of((uint32_t)half << 16);
}

static inline float dot_float_row(const uint8_t *a, uint32_t type, const float *b, size_t n)
{
    float lane[LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        lane[i % LANES] += value_at(a, type, i) * b[i];
    }
    for (size_t half = LANES / 2; half > 0; half /= 2) {
        for (size_t j = 0; j < half; j++) {
            lane[j] += lane[j + half];
        }
    }
    return lane[0];
}

void kg_rows_float_ref(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n,
                       const void *acts, size_t act_stride, uint32_t tokens)
{
    size_t stride = kg_row_size(matrix->type, matrix->columns);
    for (uint32_t t = 0; t < tokens; t++) {
        const float *x = (const void *)((const uint8_t *)acts + t * act_stride);
        for (uint32_t r = first; r < first + n; r++) {
            y[t * y_stride + r] = dot_float_row(matrix->data + r * stride, matrix->type, x, matrix->columns);
        }
    }
}
