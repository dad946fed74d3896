/* The one matrix product of the passes. Every result is one chain of additions in the order of k, so the shape of the
 * tiles, which differs by ISA, does not show in the bits. */
#ifndef KGPT_TRAIN_FAST_MATMUL_H
#define KGPT_TRAIN_FAST_MATMUL_H

#include "train/train_vector.h"

/* c[m][n] = (add ? add[m][n] : 0) + sum over k of a[m, k] * b[k][n]. Element (m, k) of a is a[m * a_m + k * a_k]; rows
 * of b are b_stride apart; those of c and add c_stride. n counts floats: a multiple of KG_VECTOR. c overlaps none. */
struct product {
    const float *a;
    size_t a_m, a_k;
    const float *b;
    size_t b_stride;
    float *c;
    size_t c_stride;
    const float *add;
    uint32_t m, n, k;
};

/* Sums of a tile stay in registers: TALL x NARROW, or MIDDLE x 2, or WIDE x 3 vectors. */
#if KG_VECTOR == 16
#define KG_TALL 16
#define KG_MIDDLE 8
#define KG_WIDE 8
#else
#define KG_TALL 8
#define KG_MIDDLE 4
#define KG_WIDE 0 /* 16 registers hold no such tile */
#endif

KG_INLINE void multiply_fast_tile(const struct product *p, size_t m, size_t n, const uint32_t rows,
                                  const uint32_t vectors)
{
    vec sum[16][3];
    const float *a = p->a + m * p->a_m, *b = p->b + n;
    float *c = p->c + m * p->c_stride + n;
    const float *add = p->add ? p->add + m * p->c_stride + n : NULL;
    KG_UNROLL for (uint32_t i = 0; i < rows; i++)
    {
        KG_UNROLL for (uint32_t j = 0; j < vectors; j++)
        {
            sum[i][j] = add ? load_vec(add + i * p->c_stride + j * KG_VECTOR) : (vec){0};
        }
    }
    const size_t a_m = p->a_m, a_k = p->a_k, b_stride = p->b_stride;
    for (uint32_t k = p->k; k > 0; k--) {
        vec row[3];
        KG_UNROLL for (uint32_t j = 0; j < vectors; j++)
        {
            row[j] = load_vec(b + j * KG_VECTOR);
        }
        KG_UNROLL for (uint32_t i = 0; i < rows; i++)
        {
            vec x = splat(a[i * a_m]);
            KG_UNROLL for (uint32_t j = 0; j < vectors; j++)
            {
                sum[i][j] = madd(x, row[j], sum[i][j]);
            }
        }
        a += a_k;
        b += b_stride;
    }
    KG_UNROLL for (uint32_t i = 0; i < rows; i++)
    {
        KG_UNROLL for (uint32_t j = 0; j < vectors; j++)
        {
            store_vec(c + i * p->c_stride + j * KG_VECTOR, sum[i][j]);
        }
    }
}

/* Of the last `left` rows, as many as a tile of `rows` is the right size for; it may overlap the rows before and
 * compute those once more, if more than `spare` are left. Returns how many are left then. */
KG_INLINE uint32_t finish_tiles(const struct product *p, size_t n, uint32_t left, const uint32_t rows,
                                const uint32_t spare, const uint32_t vectors)
{
    if (left >= rows) {
        multiply_fast_tile(p, p->m - left, n, rows, vectors);
        left -= rows;
    }
    if (left > spare && p->m >= rows) {
        multiply_fast_tile(p, p->m - rows, n, rows, vectors);
        left = 0;
    }
    return left;
}

/* All rows of some vectors of columns. */
KG_INLINE void stripe(const struct product *p, size_t n, const uint32_t rows, const uint32_t vectors)
{
    uint32_t m = 0;
    for (; m + rows <= p->m; m += rows) {
        multiply_fast_tile(p, m, n, rows, vectors);
    }
    uint32_t left = finish_tiles(p, n, p->m - m, rows, rows / 2, vectors);
    left = finish_tiles(p, n, left, rows / 2, rows / 4, vectors);
    left = finish_tiles(p, n, left, rows / 4, 0, vectors);
    for (; left > 0; left--) {
        multiply_fast_tile(p, p->m - left, n, 1, vectors);
    }
}

KG_ONCE void multiply_fast(const struct product *p)
{
    uint32_t n = 0, left = p->n / KG_VECTOR;
#if KG_WIDE
    for (; left == 3 || left > 4; left -= 3, n += 3 * KG_VECTOR) {
        stripe(p, n, KG_WIDE, 3);
    }
#endif
    for (; left >= 2; left -= 2, n += 2 * KG_VECTOR) {
        stripe(p, n, KG_MIDDLE, 2);
    }
    if (left) {
        stripe(p, n, KG_TALL, 1);
    }
}

#endif
