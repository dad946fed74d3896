/* Loops over the vectors of a microgpt: they are compiled for speed, and the rest of its pass for size. */
#include "loops.h"

#include "kgpt/math.h"

void kg_micro_norm(const struct kg_session *s, float *y, const float *x, uint32_t n)
{
    float scale = 1.0f / kg_sqrtf(s->ops->dot(x, x, n) / (float)n + s->model->norm_eps);
    for (uint32_t i = 0; i < n; i++) {
        y[i] = x[i] * scale;
    }
}

void kg_micro_add(float *restrict x, const float *restrict y, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        x[i] += y[i];
    }
}

void kg_micro_relu(float *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        x[i] = x[i] < 0 ? 0.0f : x[i]; /* NaN stays NaN */
    }
}
