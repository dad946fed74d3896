/* Real functions for inference. All machines and compilers give the same bits. */
#ifndef KGPT_MATH_H
#define KGPT_MATH_H

#include <stdbool.h>
#include <stddef.h>

#include "kgpt/root.h"

float kg_expf(float x); /* within 1 ulp; 0 below the denormals, infinity on overflow */

static inline bool kg_is_finite(double x)
{
    return x - x == 0;
}

/* True if every value is finite. */
bool kg_all_finite(const float *values, size_t n);

#endif
