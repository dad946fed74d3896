/* dot and matmul with 512-bit vectors. The 16 lanes of the definition are one register for each row; four rows are
 * computed together. */
#include "../versions.h"
#include "ops/vector.h"

#define LANES 16
#define ROWS 4

static inline kg_f32x16 load_16(const float *p)
{
    return *(const kg_f32x16_at *)p;
}

/* n < 16 floats, padded with zeros. Adding 0 * 0 does not change a lane, because a lane is never -0. */
static inline kg_f32x16 load_tail(const float *from, size_t n)
{
    float padded[LANES];
    for (size_t j = 0; j < LANES; j++) {
        padded[j] = j < n ? from[j] : 0.0f;
    }
    return load_16(padded);
}

/* The first two steps of the reduction tree: 16 lanes to 8 to 4. */
static inline kg_f32x4 fold_16(kg_f32x16 sum)
{
    kg_f32x8 eight = __builtin_shufflevector(sum, sum, 0, 1, 2, 3, 4, 5, 6, 7) +
                     __builtin_shufflevector(sum, sum, 8, 9, 10, 11, 12, 13, 14, 15);
    return __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
}

static inline kg_f32x4 dot_4_rows_avx512(const float *w, size_t stride, const float *x, size_t n)
{
    kg_f32x16 sum[ROWS] = {{0}};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        kg_f32x16 x_part = load_16(x + i);
        for (size_t r = 0; r < ROWS; r++) {
            sum[r] += load_16(w + r * stride + i) * x_part;
        }
    }
    if (i < n) {
        kg_f32x16 x_part = load_tail(x + i, n - i);
        for (size_t r = 0; r < ROWS; r++) {
            sum[r] += load_tail(w + r * stride + i, n - i) * x_part;
        }
    }
    return kg_reduce_4_rows(fold_16(sum[0]), fold_16(sum[1]), fold_16(sum[2]), fold_16(sum[3]));
}

float kg_dot_avx512(const float *a, const float *b, size_t n)
{
    kg_f32x16 sum = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        sum += load_16(a + i) * load_16(b + i);
    }
    if (i < n) {
        sum += load_tail(a + i, n - i) * load_tail(b + i, n - i);
    }
    kg_f32x4 four = fold_16(sum);
    return (four[0] + four[2]) + (four[1] + four[3]);
}

void kg_matmul_avx512(float *y, const float *w, const float *x, size_t rows, size_t columns)
{
    size_t r = 0;
    for (; r + ROWS <= rows; r += ROWS) {
        *(kg_f32x4_at *)(y + r) = dot_4_rows_avx512(w + r * columns, columns, x, columns);
    }
    for (; r < rows; r++) {
        y[r] = kg_dot_avx512(w + r * columns, x, columns);
    }
}
