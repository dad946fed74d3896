/* The functions that the table of kgpt/quant.h is filled with. */
#ifndef KGPT_OPS_QUANT_VERSIONS_H
#define KGPT_OPS_QUANT_VERSIONS_H

#include "kgpt/quant.h"

/* Each puts its functions into the table, above what is there. */
void kg_quant_ref(struct kg_quant_ops *ops);

void kg_act_f32_ref(void *out, const float *x, uint32_t columns);
void kg_act_q8_ref(void *out, const float *x, uint32_t columns);
void kg_act_q8k_ref(void *out, const float *x, uint32_t columns);

kg_rows_fn kg_rows_float_ref, kg_rows_q8_ref, kg_rows_q8k_ref;
float kg_dot_f16_ref(const uint16_t *a, const float *b, size_t n);
void kg_add_scaled_f16_ref(float *y, const uint16_t *a, float s, size_t n);

#endif
