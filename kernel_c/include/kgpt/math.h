/* The functions of a real variable that inference needs: the same bits on every machine and by every compiler. */
#ifndef KGPT_MATH_H
#define KGPT_MATH_H

#include <stdbool.h>
#include <stddef.h>

float kg_expf(float x); /* within 1 ulp; 0 below the denormals, infinity above the largest finite value */

static inline bool kg_is_finite(double x)
{
    return x - x == 0;
}

/* Is none of the values NaN or infinite? */
bool kg_all_finite(const float *values, size_t n);

/* Correctly rounded by IEEE 754, and one instruction of the base line. */
static inline float kg_sqrtf(float x)
{
    float root;
    __asm__("sqrtss %1, %0" : "=x"(root) : "x"(x));
    return root;
}

#endif
