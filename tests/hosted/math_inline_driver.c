/* The functions of kgpt/math_inline.h over arrays, for test_math_inline.py. */
#include <stddef.h>

#include "infer/vector.h"
#include "kgpt/math_inline.h"

void erf_of(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = kg_erf_inline(x[i]);
    }
}

void gelu_of(float *x, size_t n)
{
    kg_lm_activate(NULL, KG_ACTIVATION_GELU_ERF, x, n);
}
