/* The two parts of exact training that are worth vectors, with KG_VECTOR doubles each (2 or 4, chosen by the file that
 * includes this): matrix products and Adam. Each element of a result is one sum in a fixed order. A vector computes
 * several elements side by side, so the vector width does not change the bits. */
#ifndef KGPT_TRAIN_EXACT_VECTOR_H
#define KGPT_TRAIN_EXACT_VECTOR_H

#include "exact.h"
#include "kgpt/root.h"

#define KG_INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define KG_UNROLL _Pragma("unroll")
#else
#define KG_UNROLL _Pragma("GCC unroll 16")
#endif

typedef double vec __attribute__((vector_size(8 * KG_VECTOR)));
typedef double vec_at __attribute__((vector_size(8 * KG_VECTOR), aligned(8), may_alias)); /* at any double's address */

/* A tile's sums stay in registers: up to KG_TILE_ROWS x 8 columns, half of the 16 registers. */
#define KG_TILE_COLUMNS 8u
#define KG_TILE_VECTORS (KG_TILE_COLUMNS / KG_VECTOR)
#define KG_TILE_ROWS KG_VECTOR

KG_INLINE vec load_doubles(const double *at)
{
    return *(const vec_at *)at;
}

KG_INLINE void store_doubles(double *at, vec value)
{
    *(vec_at *)at = value;
}

KG_INLINE vec roots_of(vec x)
{
    vec roots;
    KG_ROOTS_F64(roots, x);
    return roots;
}

/* Loads each number of b once and uses it for every row. */
KG_INLINE void multiply_tile(const struct kg_exact_product *p, uint64_t row, uint64_t column, const uint32_t rows)
{
    vec sums[KG_TILE_ROWS][KG_TILE_VECTORS];
    const double *a = p->a + (ptrdiff_t)row * p->a_row, *b = p->b + column;
    double *c = p->c + (ptrdiff_t)row * p->c_row + column;
    const ptrdiff_t a_row = p->a_row, a_step = p->a_step, b_row = p->b_row, c_row = p->c_row;
    KG_UNROLL for (uint32_t i = 0; i < rows; i++)
    {
        KG_UNROLL for (uint32_t j = 0; j < KG_TILE_VECTORS; j++)
        {
            sums[i][j] = p->add ? load_doubles(c + i * c_row + j * KG_VECTOR) : (vec){0};
        }
    }
    for (uint64_t k = p->depth; k > 0; k--, a += a_step, b += b_row) {
        KG_UNROLL for (uint32_t i = 0; i < rows; i++)
        {
            double x = a[i * a_row];
            KG_UNROLL for (uint32_t j = 0; j < KG_TILE_VECTORS; j++)
            {
                sums[i][j] += x * load_doubles(b + j * KG_VECTOR);
            }
        }
    }
    KG_UNROLL for (uint32_t i = 0; i < rows; i++)
    {
        KG_UNROLL for (uint32_t j = 0; j < KG_TILE_VECTORS; j++)
        {
            store_doubles(c + i * c_row + j * KG_VECTOR, sums[i][j]);
        }
    }
}

static void multiply_tile_column(const struct kg_exact_product *p, uint64_t column)
{
    uint64_t row = 0;
    for (; row + KG_TILE_ROWS <= p->rows; row += KG_TILE_ROWS) {
        multiply_tile(p, row, column, KG_TILE_ROWS);
    }
    switch (p->rows - row) {
#if KG_TILE_ROWS > 2
    case 3: multiply_tile(p, row, column, 3); break;
    case 2: multiply_tile(p, row, column, 2); break;
#endif
    case 1: multiply_tile(p, row, column, 1); break;
    default: break;
    }
}

/* The remaining columns, fewer than a tile. */
static void multiply_rest_column(const struct kg_exact_product *p, uint64_t column)
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

static void multiply_exact(const struct kg_exact_product *product)
{
    const uint64_t columns = product->columns;
    uint64_t column = 0;
    for (; column + KG_TILE_COLUMNS <= columns; column += KG_TILE_COLUMNS) {
        multiply_tile_column(product, column);
    }
    if (column < columns && column > 0 &&
        !product->add) { /* computes some columns twice, which is faster than one by one */
        multiply_tile_column(product, columns - KG_TILE_COLUMNS);
    } else if (column < columns) {
        multiply_rest_column(product, column);
    }
}

/* Skips the division by a correction that has become 1 (with microgpt's beta1 after 230 steps): it changes no bit. */
KG_INLINE void update_vector(const struct kg_exact_moments *at, const struct kg_exact_rates *r, const bool corrected)
{
    const vec *gradients = (const vec *)at->gradients;
    vec *m = (vec *)at->m, *v = (vec *)at->v, *parameters = (vec *)at->parameters;
    for (uint64_t i = 0; i < (at->n + KG_VECTOR - 1) / KG_VECTOR; i++) {
        vec g = gradients[i];
        m[i] = r->beta1 * m[i] + r->rest1 * g;
        v[i] = r->beta2 * v[i] + r->rest2 * (g * g);
        vec mean = corrected ? m[i] / r->correction1 : m[i];
        parameters[i] -= r->rate * mean / (roots_of(v[i] / r->correction2) + r->eps);
    }
}

static void step_of_adam(const struct kg_exact_moments *at, const struct kg_exact_rates *rates)
{
    if (rates->correction1 == 1) {
        update_vector(at, rates, false);
    } else {
        update_vector(at, rates, true);
    }
}

const struct kg_exact_functions KG_FUNCTIONS = {.multiply = multiply_exact, .adam = step_of_adam};

#endif
