/* dot and matmul with 256-bit vectors. The 16 lanes of the definition are two registers for each row. Four rows are
 * computed together: one load of x serves four rows, and eight independent chains of additions hide the latency. */
#include "../versions.h"
#include "ops/vector.h"

#define LANES 16
#define ROWS 4

/* The 16 lanes of one row. */
struct lanes {
    kg_f32x8 low, high;
};

static inline kg_f32x8 load_8(const float *p)
{
    return *(const kg_f32x8_at *)p;
}

static inline void add_products(struct lanes *sum, const float *a, kg_f32x8 x_low, kg_f32x8 x_high)
{
    sum->low += load_8(a) * x_low;
    sum->high += load_8(a + 8) * x_high;
}

/* n < 16 floats, padded with zeros. Adding 0 * 0 does not change a lane, because a lane is never -0. */
static inline void copy_tail(float *to, const float *from, size_t n)
{
    for (size_t j = 0; j < LANES; j++) {
        to[j] = j < n ? from[j] : 0.0f;
    }
}

/* The first two steps of the reduction tree: 16 lanes to 8 to 4. */
static inline kg_f32x4 fold_lanes(struct lanes sum)
{
    kg_f32x8 eight = sum.low + sum.high;
    return __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
}

static inline kg_f32x4 dot_4_rows_avx2(const float *w, size_t stride, const float *x, size_t n)
{
    struct lanes sum[ROWS] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        kg_f32x8 x_low = load_8(x + i), x_high = load_8(x + i + 8);
        for (size_t r = 0; r < ROWS; r++) {
            add_products(&sum[r], w + r * stride + i, x_low, x_high);
        }
    }
    if (i < n) {
        float x_tail[LANES], w_tail[LANES];
        copy_tail(x_tail, x + i, n - i);
        for (size_t r = 0; r < ROWS; r++) {
            copy_tail(w_tail, w + r * stride + i, n - i);
            add_products(&sum[r], w_tail, load_8(x_tail), load_8(x_tail + 8));
        }
    }
    return kg_reduce_4_rows(fold_lanes(sum[0]), fold_lanes(sum[1]), fold_lanes(sum[2]), fold_lanes(sum[3]));
}

float kg_dot_avx2(const float *a, const float *b, size_t n)
{
    struct lanes sum = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        add_products(&sum, a + i, load_8(b + i), load_8(b + i + 8));
    }
    if (i < n) {
        float a_tail[LANES], b_tail[LANES];
        copy_tail(a_tail, a + i, n - i);
        copy_tail(b_tail, b + i, n - i);
        add_products(&sum, a_tail, load_8(b_tail), load_8(b_tail + 8));
    }
    kg_f32x4 four = fold_lanes(sum);
    return (four[0] + four[2]) + (four[1] + four[3]);
}

void kg_matmul_avx2(float *y, const float *w, const float *x, size_t rows, size_t columns)
{
    size_t r = 0;
    for (; r + ROWS <= rows; r += ROWS) {
        *(kg_f32x4_at *)(y + r) = dot_4_rows_avx2(w + r * columns, columns, x, columns);
    }
    for (; r < rows; r++) {
        y[r] = kg_dot_avx2(w + r * columns, x, columns);
    }
}
