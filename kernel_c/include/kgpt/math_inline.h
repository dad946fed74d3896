/* exp and erf in single precision without a branch, for loops that a compiler vectorizes. Additions, multiplications
 * and selections in one fixed order: every machine, compiler and width of vectors gives the same bits. */
#ifndef KGPT_MATH_INLINE_H
#define KGPT_MATH_INLINE_H

#include <stdint.h>

static inline float kg_float_of_bits(uint32_t bits)
{
    union {
        uint32_t bits;
        float value;
    } u = {.bits = bits};
    return u.value;
}

/* kg_expf (kgpt/math.h), to the bit. kg_expf scales by 2^n in three ways; here 2^(n / 2) is multiplied twice. Only the
 * last product can be rounded, and it is rounded as in kg_expf. */
static inline float kg_exp_inline(float x)
{
    float bounded = x < -104.0f ? -104.0f : x > 89.0f ? 89.0f : x;
    bounded = x == x ? bounded : 0.0f;
    int n = (int)(bounded * 1.44269504f + (bounded < 0 ? -0.5f : 0.5f));
    float r = (bounded - (float)n * 0x1.62e4p-1f) - (float)n * 0x1.7f7d1cp-20f;
    float series = 1.0f / 5040;
    series = series * r + 1.0f / 720;
    series = series * r + 1.0f / 120;
    series = series * r + 1.0f / 24;
    series = series * r + 1.0f / 6;
    series = series * r + 0.5f;
    series = series * (r * r) + r;
    int half = n >> 1;
    float e = (series + 1.0f) * kg_float_of_bits((uint32_t)(half + 127) << 23) *
              kg_float_of_bits((uint32_t)(n - half + 127) << 23);
    e = x > 88.7228394f ? __builtin_inff() : e;
    e = x < -103.9721f ? 0.0f : e;
    return x == x ? e : x;
}

/* The error function, within KG_ERF_ULP units in the last place of the exact value (1.32 is the largest error over all
 * floats). erf(-x) is -erf(x), to the bit.
 *
 * Below 1: x (1 + P(x²)). From 1: 1 - e^-Q(x), Q = -ln erfc, and 1 from 4 on, where the exact value rounds to 1.
 * P and Q are minimax polynomials; their own errors are 0.02 ulp. */
#define KG_ERF_ULP 1.4
static inline float kg_erf_inline(float x)
{
    float magnitude = x < 0 ? -x : x;
    float bounded = magnitude < 4.0f ? magnitude : 4.0f;
    float square = bounded * bounded;
    float p = 0x1.496a32p-14f;
    p = p * square - 0x1.a3f7p-11f;
    p = p * square + 0x1.5405b2p-8f;
    p = p * square - 0x1.b7f90ep-6f;
    p = p * square + 0x1.ce2cf8p-4f;
    p = p * square - 0x1.81273ep-2f;
    p = p * square + 0x1.06eba8p-3f;
    float near = bounded * p + bounded;
    float q = -0x1.852d36p-13f;
    q = q * bounded + 0x1.814ccep-9f;
    q = q * bounded - 0x1.65421cp-6f;
    q = q * bounded + 0x1.a60a80p-4f;
    q = q * bounded + 0x1.46c584p-1f;
    q = q * bounded + 0x1.2085b2p+0f;
    q = q * bounded + 0x1.72e73cp-12f;
    float far = 1.0f - kg_exp_inline(-q);
    float y = magnitude < 1.0f ? near : far;
    y = x < 0 ? -y : y;
    y = x == 0 ? x : y; /* -0 stays -0 */
    return x == x ? y : x;
}

#endif
