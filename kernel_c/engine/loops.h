/* Loops of a microgpt's forward pass over vectors. */
#ifndef KGPT_ENGINE_LOOPS_H
#define KGPT_ENGINE_LOOPS_H

#include "kgpt/session.h"

/* y = x / sqrt(mean(x²) + eps) */
void kg_micro_norm(const struct kg_session *s, float *y, const float *x, uint32_t n);
void kg_micro_add(float *restrict x, const float *restrict y, uint32_t n); /* x += y */
void kg_micro_relu(float *x, uint32_t n);

#endif
