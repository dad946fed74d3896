/* dot and matmul with 128-bit vectors. The 16 lanes of the definition are four registers for each row. Four rows are
 * computed together: one load of x serves four rows. */
#include "../versions.h"
#include "ops/vector.h"

#define LANES 16
#define ROWS 4
#define VECTORS 4

/* The 16 lanes of one row. */
struct lanes {
    kg_f32x4 v[VECTORS];
};

static inline struct lanes load_16_neon(const float *p)
{
    struct lanes lanes;
    for (size_t i = 0; i < VECTORS; i++) {
        lanes.v[i] = *(const kg_f32x4_at *)(p + 4 * i);
    }
    return lanes;
}

/* n < 16 floats, padded with zeros. Adding 0 * 0 does not change a lane, because a lane is never -0. */
static inline struct lanes load_tail_neon(const float *from, size_t n)
{
    float padded[LANES];
    for (size_t j = 0; j < LANES; j++) {
        padded[j] = j < n ? from[j] : 0.0f;
    }
    return load_16_neon(padded);
}

static inline void add_products_neon(struct lanes *sum, const struct lanes *a, const struct lanes *b)
{
    for (size_t i = 0; i < VECTORS; i++) {
        sum->v[i] += a->v[i] * b->v[i];
    }
}

/* The first two steps of the reduction tree: 16 lanes to 8 to 4. */
static inline kg_f32x4 fold_lanes_neon(const struct lanes *sum)
{
    return (sum->v[0] + sum->v[2]) + (sum->v[1] + sum->v[3]);
}

static inline kg_f32x4 dot_4_rows_neon(const float *w, size_t stride, const float *x, size_t n)
{
    struct lanes sum[ROWS] = {{{{0}}}};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const struct lanes x_part = load_16_neon(x + i);
        for (size_t r = 0; r < ROWS; r++) {
            const struct lanes w_part = load_16_neon(w + r * stride + i);
            add_products_neon(&sum[r], &w_part, &x_part);
        }
    }
    if (i < n) {
        const struct lanes x_part = load_tail_neon(x + i, n - i);
        for (size_t r = 0; r < ROWS; r++) {
            const struct lanes w_part = load_tail_neon(w + r * stride + i, n - i);
            add_products_neon(&sum[r], &w_part, &x_part);
        }
    }
    return kg_reduce_4_rows(fold_lanes_neon(&sum[0]), fold_lanes_neon(&sum[1]), fold_lanes_neon(&sum[2]),
                            fold_lanes_neon(&sum[3]));
}

float kg_dot_neon(const float *a, const float *b, size_t n)
{
    struct lanes sum = {{{0}}};
    size_t i = 0;
    for (; i < n; i += LANES) {
        const struct lanes a_part = i + LANES <= n ? load_16_neon(a + i) : load_tail_neon(a + i, n - i);
        const struct lanes b_part = i + LANES <= n ? load_16_neon(b + i) : load_tail_neon(b + i, n - i);
        add_products_neon(&sum, &a_part, &b_part);
    }
    kg_f32x4 four = fold_lanes_neon(&sum);
    return (four[0] + four[2]) + (four[1] + four[3]);
}

void kg_matmul_neon(float *y, const float *w, const float *x, size_t rows, size_t columns)
{
    size_t r = 0;
    for (; r + ROWS <= rows; r += ROWS) {
        *(kg_f32x4_at *)(y + r) = dot_4_rows_neon(w + r * columns, columns, x, columns);
    }
    for (; r < rows; r++) {
        y[r] = kg_dot_neon(w + r * columns, x, columns);
    }
}
