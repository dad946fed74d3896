/* Functions of vectors. Each has one order of additions, and loops whose iterations are independent: a compiler may
 * vectorize them without changing a bit. */
#ifndef KGPT_INFER_VECTOR_H
#define KGPT_INFER_VECTOR_H

#include <stddef.h>

#include "arch.h"
#include "kgpt/attention.h"

/* y = the norm of x (n); weight and bias as the norm has them. y may be x. */
void kg_lm_normalize(const struct kg_ops *ops, enum kg_lm_norm norm, float *y, const float *x, size_t n,
                     const float *weight, const float *bias, float eps);

/* x (n) = activation(x). GELU by erf and ReLU need no ops. */
void kg_lm_activate(const struct kg_attention_ops *ops, enum kg_lm_activation activation, float *x, size_t n);

static inline void kg_lm_add(float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] += y[i];
    }
}

static inline void kg_lm_scale(float *x, float scale, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] *= scale;
    }
}

static inline void kg_lm_multiply(float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] *= y[i];
    }
}

#endif
