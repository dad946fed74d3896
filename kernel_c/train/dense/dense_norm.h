/* LayerNorm and RMSNorm, a row at a time. */
#ifndef KGPT_TRAIN_DENSE_NORM_H
#define KGPT_TRAIN_DENSE_NORM_H

#include "dense_vector.h"

#define KG_NORM_EPS 1e-5f

/* A norm over n features: centred or not; gain and bias may be NULL. */
struct norm {
    uint32_t n;
    bool centred;
    const float *gain, *bias;
};

KG_INLINE float mean_of_row(const float *x, uint32_t n)
{
    struct lanes sum = {{{0}}};
    KG_EACH_VECTOR(j, l, n)
    {
        sum.v[l] += only_below(load_vec(x + j), j, n);
    }
    return sum_of_lanes(&sum) / (float)n;
}

/* hat = (x - mean) / deviation, y = hat * gain + bias. Returns 1 / deviation. hat is 0 behind its features. */
KG_INLINE float normalise_row(const struct norm *norm, const float *x, float *hat, float *y)
{
    const uint32_t n = norm->n;
    vec mean = splat(norm->centred ? mean_of_row(x, n) : 0);
    struct lanes sum = {{{0}}};
    KG_EACH_VECTOR(j, l, n)
    {
        vec d = only_below(load_vec(x + j) - mean, j, n);
        sum.v[l] = madd(d, d, sum.v[l]);
    }
    float scale = 1.0f / kg_sqrtf(sum_of_lanes(&sum) / (float)n + KG_NORM_EPS);
    for (uint32_t j = 0; j < n; j += KG_VECTOR) {
        vec d = only_below((load_vec(x + j) - mean) * splat(scale), j, n);
        store_vec(hat + j, d);
        if (norm->gain) {
            vec bias = norm->bias ? load_loose(norm->bias + j) : (vec){0};
            store_vec(y + j, madd(d, load_loose(norm->gain + j), bias));
        }
    }
    return scale;
}

/* d_x += the derivative by x, from d_y, that by y. Adds those by gain and bias to d_gain and d_bias. */
KG_INLINE void differentiate_norm_row(const struct norm *norm, const float *hat, float scale, const float *d_y,
                                      float *d_x, float *d_gain, float *d_bias)
{
    const uint32_t n = norm->n;
    struct lanes sum = {{{0}}}, product = {{{0}}};
    KG_EACH_VECTOR(j, l, n)
    {
        vec d = only_below(load_vec(d_y + j), j, n), h = load_vec(hat + j);
        if (norm->gain) {
            store_loose(d_gain + j, madd(d, h, load_loose(d_gain + j)));
            d *= load_loose(norm->gain + j);
        }
        sum.v[l] += d;
        product.v[l] = madd(d, h, product.v[l]);
    }
    if (norm->bias) {
        add_row_to(d_bias, d_y, n);
    }
    vec mean = splat(norm->centred ? sum_of_lanes(&sum) / (float)n : 0);
    vec along = splat(sum_of_lanes(&product) / (float)n);
    for (uint32_t j = 0; j < n; j += KG_VECTOR) {
        vec d = load_vec(d_y + j), h = load_vec(hat + j);
        d = norm->gain ? (vec)(d * load_loose(norm->gain + j)) : d;
        d = d - mean - along * h;
        store_vec(d_x + j, madd(splat(scale), d, load_vec(d_x + j)));
    }
}

#endif
