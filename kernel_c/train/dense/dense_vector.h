/* What the passes need of vectors beyond train/train_vector.h: rows of any length, and sums over features. */
#ifndef KGPT_TRAIN_DENSE_VECTOR_H
#define KGPT_TRAIN_DENSE_VECTOR_H

#include "dense.h"
#include "kgpt/math.h"
#include "kgpt/mem.h"
#include "train/train_vector.h"

#define KG_SPLIT (KG_DENSE_LANES / KG_VECTOR) /* vectors that make the lanes of a sum */

typedef float loose_vec __attribute__((vector_size(4 * KG_VECTOR), may_alias, aligned(4)));
typedef uint32_t uvec __attribute__((vector_size(4 * KG_VECTOR), may_alias));

KG_INLINE vec load_loose(const float *p)
{
    return (vec) * (const loose_vec *)p;
}

KG_INLINE void store_loose(float *p, vec v)
{
    *(loose_vec *)p = (loose_vec)v;
}

KG_INLINE ivec lane_numbers(void)
{
#if KG_VECTOR == 4
    return (ivec){0, 1, 2, 3};
#elif KG_VECTOR == 8
    return (ivec){0, 1, 2, 3, 4, 5, 6, 7};
#else
    return (ivec){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#endif
}

KG_INLINE ivec splat_int(int32_t x)
{
    return (ivec)splat(((union {
                           int32_t i;
                           float f;
                       }){x})
                           .f);
}

/* v where the lane's element is below n, else 0; `at` is the element of lane 0. */
KG_INLINE vec only_below(vec v, uint32_t at, uint32_t n)
{
    if (at + KG_VECTOR <= n) {
        return v;
    }
    return (vec)((ivec)v & (lane_numbers() < splat_int((int32_t)(n - at))));
}

/* KG_DENSE_LANES partial sums. */
struct lanes {
    vec v[KG_SPLIT];
};

/* Pairs 8 apart, then 4, 2 and 1. */
KG_INLINE float sum_of_lanes(const struct lanes *lanes)
{
    float t[KG_DENSE_LANES];
    KG_UNROLL for (uint32_t i = 0; i < KG_SPLIT; i++)
    {
        store_loose(t + i * KG_VECTOR, lanes->v[i]);
    }
    KG_UNROLL for (uint32_t width = KG_DENSE_LANES / 2; width > 0; width /= 2)
    {
        KG_UNROLL for (uint32_t i = 0; i < width; i++)
        {
            t[i] += t[i + width];
        }
    }
    return t[0];
}

/* For `j`, the element of lane 0, and `l`, the part of the lanes, over a row of n elements, and on to whole lanes. */
#define KG_EACH_VECTOR(j, l, n)                                                \
    for (uint32_t whole_##j = 0; whole_##j < (n); whole_##j += KG_DENSE_LANES) \
    KG_UNROLL for (uint32_t l = 0, j = whole_##j; l < KG_SPLIT; l++, j += KG_VECTOR)

/* sum[j] += x[j] for j < n. Writes whole vectors: the elements behind n get 0 added. */
KG_INLINE void add_row_to(float *sum, const float *x, uint32_t n)
{
    for (uint32_t j = 0; j < n; j += KG_VECTOR) {
        store_loose(sum + j, load_loose(sum + j) + only_below(load_vec(x + j), j, n));
    }
}

/* All ones in the lanes of the kept elements index, index + 1, … */
KG_INLINE ivec kept_lanes(const struct kg_dense_dropout *dropout, uint32_t index)
{
    uvec x = (uvec)(lane_numbers() + splat_int((int32_t)index)) ^ (uvec)splat_int((int32_t)dropout->low);
    x ^= x >> 16;
    x = x * (uvec)splat_int(0x7FEB352D) + (uvec)splat_int((int32_t)dropout->high);
    x ^= x >> 15;
    x *= (uvec)splat_int((int32_t)0x846CA68Bu);
    x ^= x >> 16;
    return (ivec)(x >> 1) >= splat_int(dropout->least);
}

/* v with dropout; unchanged without. */
KG_INLINE vec dropped(const struct kg_dense_dropout *dropout, vec v, uint32_t index)
{
    return (vec)((ivec)(v * splat(dropout->scale)) & kept_lanes(dropout, index));
}

#endif
