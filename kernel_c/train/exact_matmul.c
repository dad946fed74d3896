/* The one product of exact training, see train/exact.h: each number of the result is added up on its own, in order, and
 * vectors only put several of them side by side. So the SIMD width does not show in the result. */
#include "exact.h"

typedef double kg_f64x2 __attribute__((vector_size(16)));
typedef double kg_f64x2_at __attribute__((vector_size(16), aligned(8), may_alias));

#define KG_TILE_COLUMNS 8u

static inline kg_f64x2 load(const double *at)
{
    return *(const kg_f64x2_at *)at;
}

static inline void store(double *at, kg_f64x2 value)
{
    *(kg_f64x2_at *)at = value;
}

/* Eight columns of one row. */
static void tile_1(const struct kg_exact_product *p, uint64_t row, uint64_t column)
{
    const double *a = p->a + (ptrdiff_t)row * p->a_row, *b = p->b + column;
    double *c = p->c + (ptrdiff_t)row * p->c_row + column;
    kg_f64x2 c0 = {0, 0}, c1 = c0, c2 = c0, c3 = c0;
    if (p->add) {
        c0 = load(c), c1 = load(c + 2), c2 = load(c + 4), c3 = load(c + 6);
    }
    for (uint64_t k = 0; k < p->depth; k++) {
        kg_f64x2 x = {*a, *a};
        c0 += x * load(b);
        c1 += x * load(b + 2);
        c2 += x * load(b + 4);
        c3 += x * load(b + 6);
        a += p->a_step;
        b += p->b_row;
    }
    store(c, c0);
    store(c + 2, c1);
    store(c + 4, c2);
    store(c + 6, c3);
}

/* Eight columns of two rows: both use each number of b once it is loaded. */
static void tile_2(const struct kg_exact_product *p, uint64_t row, uint64_t column)
{
    const double *a = p->a + (ptrdiff_t)row * p->a_row, *b = p->b + column;
    double *c = p->c + (ptrdiff_t)row * p->c_row + column, *e = c + p->c_row;
    kg_f64x2 c0 = {0, 0}, c1 = c0, c2 = c0, c3 = c0, e0 = c0, e1 = c0, e2 = c0, e3 = c0;
    if (p->add) {
        c0 = load(c), c1 = load(c + 2), c2 = load(c + 4), c3 = load(c + 6);
        e0 = load(e), e1 = load(e + 2), e2 = load(e + 4), e3 = load(e + 6);
    }
    for (uint64_t k = 0; k < p->depth; k++) {
        kg_f64x2 x = {*a, *a}, y = {a[p->a_row], a[p->a_row]};
        kg_f64x2 b0 = load(b), b1 = load(b + 2), b2 = load(b + 4), b3 = load(b + 6);
        c0 += x * b0, e0 += y * b0;
        c1 += x * b1, e1 += y * b1;
        c2 += x * b2, e2 += y * b2;
        c3 += x * b3, e3 += y * b3;
        a += p->a_step;
        b += p->b_row;
    }
    store(c, c0), store(e, e0);
    store(c + 2, c1), store(e + 2, e1);
    store(c + 4, c2), store(e + 4, e2);
    store(c + 6, c3), store(e + 6, e3);
}

/* The columns that are too few for a tile. */
static void multiply_rest(const struct kg_exact_product *p, uint64_t column)
{
    for (uint64_t row = 0; row < p->rows; row++) {
        const double *a = p->a + (ptrdiff_t)row * p->a_row;
        double *c = p->c + (ptrdiff_t)row * p->c_row;
        for (uint64_t j = column; j < p->columns; j++) {
            double sum = p->add ? c[j] : 0;
            for (uint64_t k = 0; k < p->depth; k++) {
                sum += a[(ptrdiff_t)k * p->a_step] * p->b[(ptrdiff_t)k * p->b_row + (ptrdiff_t)j];
            }
            c[j] = sum;
        }
    }
}

void kg_exact_multiply(const struct kg_exact_product *product)
{
    uint64_t column = 0;
    for (; column + KG_TILE_COLUMNS <= product->columns; column += KG_TILE_COLUMNS) {
        uint64_t row = 0;
        for (; row + 2 <= product->rows; row += 2) {
            tile_2(product, row, column);
        }
        if (row < product->rows) {
            tile_1(product, row, column);
        }
    }
    if (column < product->columns) {
        multiply_rest(product, column);
    }
}

void kg_exact_transpose(const double *from, uint64_t rows, uint64_t columns, double *to)
{
    for (uint64_t i = 0; i < rows; i++) {
        for (uint64_t j = 0; j < columns; j++) {
            to[j * rows + i] = from[i * columns + j];
        }
    }
}
