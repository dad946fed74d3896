/* Error-free sums and products of doubles: the rounded result and its rounding error (Knuth; Dekker). */
#ifndef KGPT_CORE_DMATH_SUMS_H
#define KGPT_CORE_DMATH_SUMS_H

#include <stdint.h>

struct kg_pair {
    double high, low; /* high is the rounded value of high + low */
};

static inline struct kg_pair kg_two_sum(double a, double b)
{
    double sum = a + b, of_b = sum - a;
    return (struct kg_pair){sum, (a - (sum - of_b)) + (b - of_b)};
}

/* Requires |a| >= |b|, or a = 0. */
static inline struct kg_pair kg_quick_two_sum(double a, double b)
{
    double sum = a + b;
    return (struct kg_pair){sum, b - (sum - a)};
}

static inline uint64_t kg_double_bits(double x)
{
    union {
        double value;
        uint64_t bits;
    } u = {.value = x};
    return u.bits;
}

static inline double kg_double_of(uint64_t bits)
{
    union {
        uint64_t bits;
        double value;
    } u = {.bits = bits};
    return u.value;
}

/* Keeps the upper 26 bits of the mantissa: the product of two such numbers is exact. */
static inline double kg_upper_half(double x)
{
    return kg_double_of(kg_double_bits(x) & 0xFFFFFFFFF8000000u);
}

static inline struct kg_pair kg_two_product(double a, double b)
{
    double product = a * b, a_high = kg_upper_half(a), b_high = kg_upper_half(b);
    double a_low = a - a_high, b_low = b - b_high;
    return (struct kg_pair){product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low};
}

#endif
