/* Vectors of KG_VECTOR floats (4, 8 or 16, chosen by the file that includes this), and the functions on them that the
 * passes need. No lane meets another but inside its group of four. */
#ifndef KGPT_TRAIN_VECTOR_H
#define KGPT_TRAIN_VECTOR_H

#ifdef __aarch64__
#include <arm_neon.h>
#endif
#include <stdint.h>

#include "kgpt/root.h"

#define KG_INLINE static inline __attribute__((always_inline))
#define KG_ONCE static __attribute__((noinline)) /* large, used at several places, and called seldom enough */
#ifdef __clang__
#define KG_UNROLL _Pragma("unroll")
#else
#define KG_UNROLL _Pragma("GCC unroll 16")
#endif

typedef float vec __attribute__((vector_size(4 * KG_VECTOR), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * KG_VECTOR), may_alias));

/* Of each group of four: elements i and j of a, then k and l of b. */
#if KG_VECTOR == 4
#define KG_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, 4 + (k), 4 + (l))
#elif KG_VECTOR == 8
#define KG_SHUFFLE(a, b, i, j, k, l) \
    __builtin_shufflevector(a, b, i, j, 8 + (k), 8 + (l), 4 + (i), 4 + (j), 12 + (k), 12 + (l))
#else
#define KG_SHUFFLE(a, b, i, j, k, l)                                                                                \
    __builtin_shufflevector(a, b, i, j, 16 + (k), 16 + (l), 4 + (i), 4 + (j), 20 + (k), 20 + (l), 8 + (i), 8 + (j), \
                            24 + (k), 24 + (l), 12 + (i), 12 + (j), 28 + (k), 28 + (l))
#endif
#define KG_SPREAD(v, j) KG_SHUFFLE(v, v, j, j, j, j)

KG_INLINE vec load_vec(const float *p)
{
    return *(const vec *)p;
}

KG_INLINE void store_vec(float *p, vec v)
{
    *(vec *)p = v;
}

KG_INLINE vec splat(float x)
{
    vec v = {x};
#if KG_VECTOR == 4
    return __builtin_shufflevector(v, v, 0, 0, 0, 0);
#elif KG_VECTOR == 8
    return __builtin_shufflevector(v, v, 0, 0, 0, 0, 0, 0, 0, 0);
#else
    return __builtin_shufflevector(v, v, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
#endif
}

/* a * b + c: rounded once where the arithmetic is the fused one. */
KG_INLINE vec madd(vec a, vec b, vec c)
{
#ifndef KG_FUSED
    return a * b + c;
#elif defined(__has_builtin) && __has_builtin(__builtin_elementwise_fma)
    return __builtin_elementwise_fma(a, b, c);
#elif KG_VECTOR == 16
    return (vec)__builtin_ia32_vfmaddps512_mask(a, b, c, (unsigned short)-1, 4 /* the current rounding */);
#elif KG_VECTOR == 8
    return (vec)__builtin_ia32_vfmaddps256(a, b, c);
#else
    return (vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#endif
}

KG_INLINE vec square_root_of_lanes(vec x)
{
    vec root;
    KG_ROOTS_F32(root, x);
    return root;
}

KG_INLINE vec choose_lanes(ivec mask, vec yes, vec no)
{
    return (vec)((mask & (ivec)yes) | (~mask & (ivec)no));
}

/* b where either is no number. */
KG_INLINE vec larger(vec a, vec b)
{
    return choose_lanes(a > b, a, b);
}

/* The largest and the sum of each group of four, in all of its lanes. */
KG_INLINE vec group_largest(vec v)
{
    v = larger(v, KG_SHUFFLE(v, v, 2, 3, 0, 1));
    return larger(v, KG_SHUFFLE(v, v, 1, 0, 3, 2));
}

KG_INLINE vec group_sum(vec v)
{
    v = v + KG_SHUFFLE(v, v, 2, 3, 0, 1);
    return v + KG_SHUFFLE(v, v, 1, 0, 3, 2);
}

/* Lane j of each group: the sum of the same group of a, b, c or d, each (0 + 2) + (1 + 3). */
KG_INLINE vec group_sums(vec a, vec b, vec c, vec d)
{
    vec ab = KG_SHUFFLE(a, b, 0, 1, 0, 1) + KG_SHUFFLE(a, b, 2, 3, 2, 3);
    vec cd = KG_SHUFFLE(c, d, 0, 1, 0, 1) + KG_SHUFFLE(c, d, 2, 3, 2, 3);
    return KG_SHUFFLE(ab, cd, 0, 2, 0, 2) + KG_SHUFFLE(ab, cd, 1, 3, 1, 3);
}

/* e^x for x <= 0, e^-87 below -87; within 2 ulp. As kg_expf, but n comes from adding 1.5 * 2^23, which leaves it in the
 * last bits of the sum, and the series ends with r^6. */
KG_INLINE vec exponential(vec x)
{
    x = larger(splat(-87.0f), x); /* in this order: what is no number stays none */
    vec shifted = madd(x, splat(1.44269504f), splat(0x1.8p23f));
    vec n = shifted - splat(0x1.8p23f);
    vec r = madd(n, splat(-0x1.62e4p-1f), x);
    r = madd(n, splat(-0x1.7f7d1cp-20f), r);
    vec series = madd(splat(1.0f / 720), r, splat(1.0f / 120));
    series = madd(series, r, splat(1.0f / 24));
    series = madd(series, r, splat(1.0f / 6));
    series = madd(series, r, splat(0.5f));
    series = madd(series, r * r, r) + splat(1.0f);
    return (vec)((ivec)series + ((ivec)shifted << 23));
}

/* ln x for normal x > 0: x = 2^e m with m from sqrt(1/2) to sqrt(2); a series for ln m = 2 atanh((m - 1) / (m + 1)). */
KG_INLINE vec logarithm(vec x)
{
    const ivec root_half = (ivec)splat(0.70710678f);
    ivec e = ((ivec)x - root_half) >> 23;
    vec m = (vec)((ivec)x - (e << 23));
    vec s = (m - splat(1.0f)) / (m + splat(1.0f)), s2 = s * s;
    vec series = madd(splat(1.0f / 9), s2, splat(1.0f / 7));
    series = madd(series, s2, splat(1.0f / 5));
    series = madd(series, s2, splat(1.0f / 3));
    series = madd(series * s2, s, s);
    return madd(__builtin_convertvector(e, vec), splat(0.69314718f), series + series);
}

#endif
