/* The functions between the two matrices of the feed-forward layer, a row at a time. */
#ifndef KGPT_TRAIN_DENSE_ACTIVATION_H
#define KGPT_TRAIN_DENSE_ACTIVATION_H

#include "dense_vector.h"

/* The normal distribution at x: its integral up to x, within 1e-7, and its density. Abramowitz and Stegun, 7.1.26. */
struct normal {
    vec integral, density;
};

KG_INLINE struct normal normal_at(vec x)
{
    vec size = (vec)((ivec)x & splat_int(INT32_MAX));
    vec e = exponential(x * x * splat(-0.5f));
    vec t = splat(1.0f) / madd(size, splat(0.3275911f * 0.70710678f), splat(1.0f));
    vec series = madd(splat(1.061405429f), t, splat(-1.453152027f));
    series = madd(series, t, splat(1.421413741f));
    series = madd(series, t, splat(-0.284496736f));
    series = madd(series, t, splat(0.254829592f));
    vec tail = series * t * e * splat(0.5f);
    return (struct normal){choose_lanes(x > splat(0), splat(1.0f) - tail, tail), e * splat(0.39894228f)};
}

/* 1 / (1 + e^-x) */
KG_INLINE vec logistic(vec x)
{
    vec e = exponential((vec)((ivec)x | splat_int(INT32_MIN)));
    vec one = splat(1.0f), share = one / (one + e);
    return choose_lanes(x > splat(0), share, e * share);
}

/* act (n_ff) of up (n_up). */
KG_INLINE void activate_row(const struct kg_dense_dims *d, const float *up, float *act)
{
    const uint32_t n = d->n_ff;
    for (uint32_t j = 0; j < n; j += KG_VECTOR) {
        vec x = load_vec(up + j);
        if (d->shape.kind == KG_DENSE_NANOGPT) {
            store_vec(act + j, x * normal_at(x).integral);
        } else if (d->shape.kind == KG_DENSE_MICROGPT) {
            store_vec(act + j, larger(splat(0), x)); /* in this order: what is no number stays none */
        } else {
            store_vec(act + j, x * logistic(x) * load_vec(up + n + j));
        }
    }
}

/* d_up of d_act. */
KG_INLINE void differentiate_activation(const struct kg_dense_dims *d, const float *up, const float *d_act, float *d_up)
{
    const uint32_t n = d->n_ff;
    for (uint32_t j = 0; j < n; j += KG_VECTOR) {
        vec x = load_vec(up + j), by = load_vec(d_act + j);
        if (d->shape.kind == KG_DENSE_NANOGPT) {
            struct normal normal = normal_at(x);
            store_vec(d_up + j, by * madd(x, normal.density, normal.integral));
        } else if (d->shape.kind == KG_DENSE_MICROGPT) {
            store_vec(d_up + j, (vec)((ivec)by & (x > splat(0))));
        } else {
            vec share = logistic(x), gated = x * share;
            store_vec(d_up + j, by * load_vec(up + n + j) * madd(gated, splat(1.0f) - share, share));
            store_vec(d_up + n + j, by * gated);
        }
    }
}

#endif
