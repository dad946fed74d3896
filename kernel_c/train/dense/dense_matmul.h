/* The one matrix product of the passes. Every result is one chain of additions in the order of k. So neither the shape
 * of the tiles, which differs by ISA, nor the blocks in which k is cut show in the bits. */
#ifndef KGPT_TRAIN_DENSE_MATMUL_H
#define KGPT_TRAIN_DENSE_MATMUL_H

#include "dense_vector.h"

/* What of a square causal product counts. */
enum causal {
    WHOLE,
    LOWER_N, /* only c[m][n] with n <= m */
    LOWER_K, /* a[m, k] is 0 for k > m */
    UPPER_K, /* a[m, k] is 0 for k < m */
};

/* c[m][n] = (add ? c[m][n] : bias ? bias[n] : 0) + sum over k of a[m, k] * b[k][n]. Element (m, k) of a is
 * a[m * a_m + k * a_k]. b is packed: panels of KG_DENSE_PANEL columns, in a panel row after row. `narrow` has room for
 * KG_DENSE_DEEP rows of a tile. */
struct product {
    const float *a;
    size_t a_m, a_k;
    const float *b;
    float *c;
    size_t c_stride;
    const float *bias;
    float *narrow;
    uint32_t m, n, k;
    bool add;
    enum causal causal;
};

/* Sums of a tile stay in registers: KG_TALL rows of two vectors. */
#define KG_TILE (2 * KG_VECTOR)
#if KG_VECTOR == 16
#define KG_TALL 8
#elif KG_VECTOR == 8
#define KG_TALL 6
#else
#define KG_TALL 4
#endif

struct tile {
    const float *a;
    size_t a_m, a_k;
    const float *b; /* rows KG_DENSE_PANEL apart */
    float *c;
    size_t c_stride;
    const float *bias;
    uint32_t k, columns;
    bool add;
};

/* A whole tile; c is loaded only if `add`. */
KG_INLINE void multiply_dense_tile(const struct tile *t, const uint32_t rows)
{
    vec sum[KG_TALL][2];
    const float *a = t->a, *b = t->b;
    KG_UNROLL for (uint32_t i = 0; i < rows; i++)
    {
        KG_UNROLL for (uint32_t j = 0; j < 2; j++)
        {
            const float *from = t->add ? t->c + i * t->c_stride : t->bias;
            sum[i][j] = from ? load_loose(from + j * KG_VECTOR) : (vec){0};
        }
    }
    const size_t a_m = t->a_m, a_k = t->a_k;
    for (uint32_t k = t->k; k > 0; k--) {
        vec row0 = load_vec(b), row1 = load_vec(b + KG_VECTOR);
        KG_UNROLL for (uint32_t i = 0; i < rows; i++)
        {
            vec x = splat(a[i * a_m]);
            sum[i][0] = madd(x, row0, sum[i][0]);
            sum[i][1] = madd(x, row1, sum[i][1]);
        }
        a += a_k;
        b += KG_DENSE_PANEL;
    }
    KG_UNROLL for (uint32_t i = 0; i < rows; i++)
    {
        store_loose(t->c + i * t->c_stride, sum[i][0]);
        store_loose(t->c + i * t->c_stride + KG_VECTOR, sum[i][1]);
    }
}

KG_INLINE void multiply_rows(const struct tile *t, uint32_t rows)
{
    switch (rows) {
    case KG_TALL: multiply_dense_tile(t, KG_TALL); break;
#if KG_TALL != 4
    case 4: multiply_dense_tile(t, 4); break;
#endif
    case 2: multiply_dense_tile(t, 2); break;
    default: multiply_dense_tile(t, 1); break;
    }
}

/* The last columns: a tile of its own, of which only they are copied. */
KG_ONCE void multiply_narrow_tile(const struct tile *t, uint32_t rows)
{
    float c[KG_TALL * KG_TILE];
    struct tile own = *t;
    for (uint32_t i = 0; t->add && i < rows; i++) {
        for (uint32_t j = 0; j < KG_TILE; j++) {
            c[i * KG_TILE + j] = j < t->columns ? t->c[i * t->c_stride + j] : 0;
        }
    }
    own.c = c;
    own.c_stride = KG_TILE;
    multiply_rows(&own, rows);
    for (uint32_t i = 0; i < rows; i++) {
        for (uint32_t j = 0; j < t->columns; j++) {
            t->c[i * t->c_stride + j] = c[i * KG_TILE + j];
        }
    }
}

/* Rows m .. m + rows - 1, of the terms from .. to - 1 of the sums. */
struct strip {
    uint32_t m, rows, from, to;
    bool first; /* no terms were added before */
};

KG_INLINE struct strip strip_of(const struct product *p, uint32_t m, uint32_t k0)
{
    uint32_t left = p->m - m, end = k0 + KG_DENSE_DEEP < p->k ? k0 + KG_DENSE_DEEP : p->k;
    struct strip s = {.m = m, .rows = left >= KG_TALL ? KG_TALL : left >= 4 ? 4 : left >= 2 ? 2 : 1};
    uint32_t last = p->causal == LOWER_K ? m + s.rows : p->k, start = p->causal == UPPER_K ? m : 0;
    last = last < p->k ? last : p->k;
    s.from = k0 > start ? k0 : start;
    s.to = end < last ? end : last;
    s.first = s.from == start;
    return s;
}

KG_INLINE void multiply_tile_of(const struct product *p, const struct strip *s, uint32_t n, const float *a, size_t a_m,
                                size_t a_k)
{
    if (p->causal == LOWER_N && n >= s->m + s->rows) {
        return;
    }
    uint32_t inside = n % KG_DENSE_PANEL;
    struct tile t = {
        .a = a,
        .a_m = a_m,
        .a_k = a_k,
        .b = p->b + (size_t)(n - inside) * p->k + (size_t)s->from * KG_DENSE_PANEL + inside,
        .c = p->c + s->m * p->c_stride + n,
        .c_stride = p->c_stride,
        .bias = p->bias ? p->bias + n : NULL,
        .k = s->to - s->from,
        .columns = p->n - n < KG_TILE ? p->n - n : KG_TILE,
        .add = p->add || !s->first,
    };
    if (t.columns < KG_TILE) {
        multiply_narrow_tile(&t, s->rows);
    } else {
        multiply_rows(&t, s->rows);
    }
}

/* a lies in rows: its strip for one tile of columns after the other, whose panel stays in the cache. */
KG_INLINE void multiply_by_columns(const struct product *p, uint32_t k0)
{
    for (uint32_t n = 0; n < p->n; n += KG_TILE) {
        struct strip s;
        for (uint32_t m = 0; m < p->m; m += s.rows) {
            s = strip_of(p, m, k0);
            if (s.from < s.to) {
                multiply_tile_of(p, &s, n, p->a + m * p->a_m + s.from * p->a_k, p->a_m, p->a_k);
            }
        }
    }
}

/* a lies in columns: each strip is packed, then multiplied by all tiles of columns. */
KG_INLINE void multiply_by_strips(const struct product *p, uint32_t k0)
{
    struct strip s;
    for (uint32_t m = 0; m < p->m; m += s.rows) {
        s = strip_of(p, m, k0);
        if (s.from >= s.to) {
            continue;
        }
        for (uint32_t k = s.from; k < s.to; k++) {
            const float *from = p->a + m * p->a_m + k * p->a_k;
            float *to = p->narrow + (k - s.from) * KG_TALL;
            for (uint32_t i = 0; i < s.rows; i++) {
                to[i] = from[i];
            }
        }
        for (uint32_t n = 0; n < p->n; n += KG_TILE) {
            multiply_tile_of(p, &s, n, p->narrow, 1, KG_TALL);
        }
    }
}

KG_ONCE void multiply(const struct product *p)
{
    for (uint32_t k0 = 0; k0 < p->k; k0 += KG_DENSE_DEEP) {
        if (p->a_k == 1) {
            multiply_by_columns(p, k0);
        } else {
            multiply_by_strips(p, k0);
        }
    }
}

/* b[k][n] = from[k * stride + n] as panels. */
KG_ONCE void pack_rows(float *to, const float *from, size_t stride, uint32_t k, uint32_t n)
{
    for (uint32_t at = 0; at < n; at += KG_DENSE_PANEL) {
        for (uint32_t i = 0; i < k; i++, to += KG_DENSE_PANEL) {
            const float *row = from + i * stride + at;
            KG_UNROLL for (uint32_t j = 0; j < KG_DENSE_PANEL; j += KG_VECTOR)
            {
                store_vec(to + j, at + j < n ? only_below(load_loose(row + j), at + j, n) : (vec){0});
            }
        }
    }
}

/* b[k][n] = from[n * stride + k] as panels. */
KG_ONCE void pack_columns(float *to, const float *from, size_t stride, uint32_t k, uint32_t n)
{
    for (uint32_t at = 0; at < n; at += KG_DENSE_PANEL, to += (size_t)k * KG_DENSE_PANEL) {
        for (uint32_t j = 0; j < KG_DENSE_PANEL; j++) {
            const float *column = from + (size_t)(at + j) * stride;
            for (uint32_t i = 0; i < k; i++) {
                to[i * KG_DENSE_PANEL + j] = at + j < n ? column[i] : 0;
            }
        }
    }
}

static void pack_matrix(const struct kg_dense_matrix *matrix, const float *weights, float *packed)
{
    pack_columns(packed + matrix->forward, weights, matrix->columns, matrix->columns, matrix->rows);
    pack_rows(packed + matrix->backward, weights, matrix->columns, matrix->rows, matrix->columns);
}

#endif
