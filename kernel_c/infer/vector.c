/* See vector.h. */
#include "vector.h"

#include <stdint.h>

#include "kgpt/math.h"

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

static inline float float_of_bits(uint32_t bits)
{
    union {
        uint32_t bits;
        float value;
    } u = {.bits = bits};
    return u.value;
}

/* kg_expf of math/math.c without a branch. It scales by 2^n in three ways; here 2^(n / 2) is multiplied twice. Only the
 * last product can be rounded, and it is rounded as in kg_expf. */
static inline float exp_of(float x)
{
    float bounded = x < -104.0f ? -104.0f : x > 89.0f ? 89.0f : x;
    bounded = x == x ? bounded : 0.0f;
    int n = (int)(bounded * 1.44269504f + (bounded < 0 ? -0.5f : 0.5f));
    float r = (bounded - (float)n * 0x1.62e4p-1f) - (float)n * 0x1.7f7d1cp-20f;
    float series = 1.0f / 5040;
    series = series * r + 1.0f / 720;
    series = series * r + 1.0f / 120;
    series = series * r + 1.0f / 24;
    series = series * r + 1.0f / 6;
    series = series * r + 0.5f;
    series = series * (r * r) + r;
    int half = n >> 1;
    float e =
        (series + 1.0f) * float_of_bits((uint32_t)(half + 127) << 23) * float_of_bits((uint32_t)(n - half + 127) << 23);
    e = x > 88.7228394f ? __builtin_inff() : e;
    e = x < -103.9721f ? 0.0f : e;
    return x == x ? e : x;
}

void kg_lm_exp(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = exp_of(x[i]);
    }
}

/* x / (1 + e^-x) */
static void silu(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = x[i] / (1.0f + exp_of(-x[i]));
    }
}

/* x / 2 (1 + tanh u) with u = sqrt(2 / pi) (x + 0.044715 x³), which is x / (1 + e^-2u) */
static void gelu(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float u = 0.797884561f * (x[i] + 0.044715f * x[i] * x[i] * x[i]);
        x[i] = x[i] / (1.0f + exp_of(-2.0f * u));
    }
}

static void relu(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = x[i] < 0 ? 0.0f : x[i]; /* NaN stays what it is */
    }
}

void kg_lm_activate(enum kg_lm_activation activation, float *x, size_t n)
{
    switch (activation) {
    case KG_ACTIVATION_SILU: silu(x, n); break;
    case KG_ACTIVATION_GELU: gelu(x, n); break;
    case KG_ACTIVATION_RELU: relu(x, n); break;
    }
}

void kg_lm_softmax(float *scores, size_t n)
{
    float largest = scores[0], total = 0;
    for (size_t i = 1; i < n; i++) {
        largest = scores[i] > largest ? scores[i] : largest;
    }
    for (size_t i = 0; i < n; i++) {
        scores[i] = exp_of(scores[i] - largest);
    }
    for (size_t i = 0; i < n; i++) {
        total += scores[i];
    }
    for (size_t i = 0; i < n; i++) {
        scores[i] /= total;
    }
}
