/* The functions for the table of kgpt/ops.h. */
#ifndef KGPT_OPS_VERSIONS_H
#define KGPT_OPS_VERSIONS_H

#include "kgpt/ops.h"

float kg_dot_ref(const float *a, const float *b, size_t n);
void kg_matmul_ref(float *y, const float *w, const float *x, size_t rows, size_t columns);

float kg_dot_avx2(const float *a, const float *b, size_t n);
void kg_matmul_avx2(float *y, const float *w, const float *x, size_t rows, size_t columns);

float kg_dot_avx512(const float *a, const float *b, size_t n);
void kg_matmul_avx512(float *y, const float *w, const float *x, size_t rows, size_t columns);

float kg_dot_neon(const float *a, const float *b, size_t n);
void kg_matmul_neon(float *y, const float *w, const float *x, size_t rows, size_t columns);

/* Of the architecture's room (x86/, aarch64/): puts the best versions for this processor into the table. */
void kg_ops_choose(struct kg_ops *ops, uint32_t features);

#endif
