/* See vector.h. */
#include "vector.h"

#include "kgpt/math.h"
#include "kgpt/math_inline.h"

#define POWERS 256 /* computed at once: 1 KB of stack */

/* The sum of x in the order of ops' dot: lane j of 16 adds x[j], x[j + 16], …; then halves are added. */
static float sum(const float *x, size_t n)
{
    float lanes[16] = {0};
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        for (size_t j = 0; j < 16; j++) {
            lanes[j] += x[i + j];
        }
    }
    for (size_t j = 0; i + j < n; j++) {
        lanes[j] += x[i + j];
    }
    for (size_t half = 8; half; half /= 2) {
        for (size_t j = 0; j < half; j++) {
            lanes[j] += lanes[j + half];
        }
    }
    return lanes[0];
}

static void rms_norm(const struct kg_ops *ops, float *y, const float *x, size_t n, const float *weight, float eps)
{
    float scale = 1.0f / kg_sqrtf(ops->dot(x, x, n) / (float)n + eps);
    for (size_t i = 0; i < n; i++) {
        y[i] = x[i] * scale;
    }
    for (size_t i = 0; weight && i < n; i++) {
        y[i] *= weight[i];
    }
}

static void layer_norm(const struct kg_ops *ops, float *y, const float *x, size_t n, const float *weight,
                       const float *bias, float eps)
{
    float mean = sum(x, n) / (float)n;
    for (size_t i = 0; i < n; i++) {
        y[i] = x[i] - mean;
    }
    float scale = 1.0f / kg_sqrtf(ops->dot(y, y, n) / (float)n + eps);
    for (size_t i = 0; i < n; i++) {
        y[i] = y[i] * scale * weight[i];
    }
    for (size_t i = 0; bias && i < n; i++) {
        y[i] += bias[i];
    }
}

void kg_lm_normalize(const struct kg_ops *ops, enum kg_lm_norm norm, float *y, const float *x, size_t n,
                     const float *weight, const float *bias, float eps)
{
    if (norm == KG_NORM_LAYER) {
        layer_norm(ops, y, x, n, weight, bias, eps);
    } else {
        rms_norm(ops, y, x, n, norm == KG_NORM_BARE ? NULL : weight, eps);
    }
}

/* -x: silu is x / (1 + e^-x) */
static void silu_exponents(float *exponents, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        exponents[i] = -x[i];
    }
}

/* -2u: gelu is x / 2 (1 + tanh u) with u = sqrt(2 / pi) (x + 0.044715 x³), which is x / (1 + e^-2u) */
static void gelu_exponents(float *exponents, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float u = 0.797884561f * (x[i] + 0.044715f * x[i] * x[i] * x[i]);
        exponents[i] = -2.0f * u;
    }
}

/* x / (1 + e^exponent). The powers are those of attention, which has a version for each width of vectors: distances to
 * 0 are the exponents themselves. */
static void divide_by_powers(const struct kg_attention_ops *ops, void (*exponents_of)(float *, const float *, size_t),
                             float *x, size_t n)
{
    float powers[POWERS];
    for (size_t some; n; n -= some, x += some) {
        some = n < POWERS ? n : POWERS;
        exponents_of(powers, x, some);
        ops->powers(powers, some, 0);
        for (size_t i = 0; i < some; i++) {
            x[i] = x[i] / (1.0f + powers[i]);
        }
    }
}

/* x / 2 (1 + erf(x / sqrt 2)), multiplied in the order of PyTorch */
static void gelu_erf(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = x[i] * 0.5f * (1.0f + kg_erf_inline(x[i] * 0.707106781f));
    }
}

static void relu(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = x[i] < 0 ? 0.0f : x[i]; /* NaN stays what it is */
    }
}

void kg_lm_activate(const struct kg_attention_ops *ops, enum kg_lm_activation activation, float *x, size_t n)
{
    switch (activation) {
    case KG_ACTIVATION_SILU: divide_by_powers(ops, silu_exponents, x, n); break;
    case KG_ACTIVATION_GELU: divide_by_powers(ops, gelu_exponents, x, n); break;
    case KG_ACTIVATION_GELU_ERF: gelu_erf(x, n); break;
    case KG_ACTIVATION_RELU: relu(x, n); break;
    }
}
