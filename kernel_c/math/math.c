/* exp in single precision, by additions and multiplications in one fixed order: see kgpt/math.h.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2, so e^x = 2^n e^r. The Taylor series of e^r up to r^7 has a remainder below a
 * tenth of an ulp. ln 2 is subtracted in two parts; the first has 15 bits, so n times it is exact. */
#include "kgpt/math.h"

#include <stdint.h>

#define KG_EXP_MAX 88.7228394f  /* ln of the largest float */
#define KG_EXP_MIN (-103.9721f) /* below it the result rounds to 0 */
#define KG_LOG2_E 1.44269504f
#define KG_LN2_HIGH 0x1.62e4p-1f
#define KG_LN2_LOW 0x1.7f7d1cp-20f

static float float_power_of_two(int n)
{ /* -126 <= n <= 127 */
    union {
        uint32_t bits;
        float value;
    } u = {.bits = (uint32_t)(n + 127) << 23};
    return u.value;
}

static float scale_float(float x, int n)
{
    if (n > 127) { /* 2^128 overflows; 2 * 2^127 does not */
        return x * 2.0f * float_power_of_two(n - 1);
    }
    if (n < -126) { /* only the last multiplication rounds to a denormal */
        return x * float_power_of_two(n + 100) * float_power_of_two(-100);
    }
    return x * float_power_of_two(n);
}

float kg_expf(float x)
{
    if (x != x) {
        return x;
    }
    if (x > KG_EXP_MAX) {
        return __builtin_inff();
    }
    if (x < KG_EXP_MIN) {
        return 0.0f;
    }
    int n = (int)(x * KG_LOG2_E + (x < 0 ? -0.5f : 0.5f));
    float r = (x - (float)n * KG_LN2_HIGH) - (float)n * KG_LN2_LOW;
    float series = 1.0f / 5040;
    series = series * r + 1.0f / 720;
    series = series * r + 1.0f / 120;
    series = series * r + 1.0f / 24;
    series = series * r + 1.0f / 6;
    series = series * r + 0.5f;
    series = series * (r * r) + r;
    return scale_float(series + 1.0f, n);
}

/* Adding 1 to an exponent of ones carries into the sign bit. Integer arithmetic lets compilers vectorize the loop. */
bool kg_all_finite(const float *values, size_t n)
{
    uint32_t seen = 0;
    for (size_t i = 0; i < n; i++) {
        union {
            float value;
            uint32_t bits;
        } u = {.value = values[i]};
        seen |= (u.bits & 0x7fffffff) + 0x00800000;
    }
    return !(seen >> 31);
}
