/* Causal attention of a window, a head at a time, forward and backward. */
#ifndef KGPT_TRAIN_DENSE_ATTENTION_H
#define KGPT_TRAIN_DENSE_ATTENTION_H

#include "dense_matmul.h"

/* One head of one window. Pointers are to its first row; rows are those of `dims`. */
struct head {
    const struct kg_dense_dims *dims;
    struct kg_dense_memory *memory;
    const float *q, *k, *v;                 /* s_qkv */
    float *p;                               /* (n_ctx, s_ctx) */
    const struct kg_dense_dropout *dropout; /* NULL: none */
    uint32_t index;                         /* of the first weight, for dropout */
};

/* Scores become weights: softmax(scores * scale) up to the diagonal, 0 behind it. */
KG_INLINE void softmax_scores(float *p, uint32_t n, uint32_t stride, float scale)
{
    vec largest = splat(-__builtin_inff()), factor = splat(scale);
    for (uint32_t j = 0; j < n; j += KG_VECTOR) {
        ivec inside = lane_numbers() < splat_int((int32_t)(n - j));
        largest = larger(largest, choose_lanes(inside, load_vec(p + j) * factor, largest));
    }
    float most[KG_VECTOR];
    store_loose(most, largest);
    for (uint32_t i = 1; i < KG_VECTOR; i++) {
        most[0] = most[i] > most[0] ? most[i] : most[0];
    }
    struct lanes sum = {{{0}}};
    KG_EACH_VECTOR(j, l, n)
    {
        vec e = only_below(exponential(load_vec(p + j) * factor - splat(most[0])), j, n);
        store_vec(p + j, e);
        sum.v[l] += e;
    }
    vec share = splat(1.0f / sum_of_lanes(&sum));
    for (uint32_t j = 0; j < stride; j += KG_VECTOR) {
        store_vec(p + j, j < n ? (vec)(load_vec(p + j) * share) : (vec){0});
    }
}

/* The weights after dropout: p itself, or a copy in memory->dropped. */
KG_INLINE const float *drop_weights(const struct head *h)
{
    const uint32_t n = h->dims->shape.n_ctx, stride = h->dims->s_ctx;
    if (!h->dropout) {
        return h->p;
    }
    for (uint32_t m = 0; m < n; m++) {
        const float *from = h->p + (size_t)m * stride;
        float *to = h->memory->dropped + (size_t)m * stride;
        for (uint32_t j = 0; j < stride; j += KG_VECTOR) {
            store_vec(to + j, j <= m ? dropped(h->dropout, load_vec(from + j), h->index + m * n + j) : (vec){0});
        }
    }
    return h->memory->dropped;
}

/* Products of a head: everything is (n_ctx, head_dim) or (n_ctx, n_ctx). */
KG_INLINE struct product square_product(const struct head *h, const float *a, size_t a_stride, float *c)
{
    const uint32_t n = h->dims->shape.n_ctx;
    return (struct product){.a = a,
                            .a_m = a_stride,
                            .a_k = 1,
                            .b = h->memory->panels,
                            .c = c,
                            .c_stride = h->dims->s_ctx,
                            .narrow = h->memory->narrow,
                            .m = n,
                            .n = n,
                            .k = h->dims->head_dim,
                            .causal = LOWER_N};
}

/* c = a b or, `across`, a^T b, for causal weights a. */
KG_INLINE struct product weighted_product(const struct head *h, const float *a, bool across, float *c, size_t c_stride)
{
    const uint32_t n = h->dims->shape.n_ctx;
    return (struct product){.a = a,
                            .a_m = across ? 1 : h->dims->s_ctx,
                            .a_k = across ? h->dims->s_ctx : 1,
                            .b = h->memory->panels,
                            .c = c,
                            .c_stride = c_stride,
                            .narrow = h->memory->narrow,
                            .m = n,
                            .n = h->dims->head_dim,
                            .k = n,
                            .causal = across ? UPPER_K : LOWER_K};
}

KG_ONCE void attend(const struct head *h, float *out)
{
    const struct kg_dense_dims *d = h->dims;
    const uint32_t n = d->shape.n_ctx;
    pack_columns(h->memory->panels, h->k, d->s_qkv, d->head_dim, n);
    struct product scores = square_product(h, h->q, d->s_qkv, h->p);
    multiply(&scores);
    for (uint32_t m = 0; m < n; m++) {
        softmax_scores(h->p + (size_t)m * d->s_ctx, m + 1, d->s_ctx, d->score_scale);
    }
    pack_rows(h->memory->panels, h->v, d->s_qkv, n, d->head_dim);
    struct product sums = weighted_product(h, drop_weights(h), false, out, d->s_embd);
    multiply(&sums);
}

/* Row m of the derivatives by the dropped weights becomes that by the scores. */
KG_INLINE void differentiate_softmax(const struct head *h, uint32_t m)
{
    const uint32_t n = m + 1, stride = h->dims->s_ctx;
    const float *p = h->p + (size_t)m * stride;
    float *d_p = h->memory->d_p + (size_t)m * stride;
    struct lanes sum = {{{0}}};
    KG_EACH_VECTOR(j, l, n)
    {
        vec d = load_vec(d_p + j);
        if (h->dropout) {
            d = dropped(h->dropout, d, h->index + m * h->dims->shape.n_ctx + j);
        }
        d = only_below(d, j, n);
        store_vec(d_p + j, d);
        sum.v[l] = madd(d, load_vec(p + j), sum.v[l]);
    }
    vec mean = splat(sum_of_lanes(&sum)), scale = splat(h->dims->score_scale);
    for (uint32_t j = 0; j < stride; j += KG_VECTOR) {
        vec d = load_vec(d_p + j) - mean;
        store_vec(d_p + j, j < n ? (vec)(d * load_vec(p + j) * scale) : (vec){0});
    }
}

/* From the derivatives by the output (s_embd) to those by q, k and v (s_qkv). */
KG_ONCE void differentiate_attention(const struct head *h, const float *d_out, float *d_q, float *d_k, float *d_v)
{
    const struct kg_dense_dims *d = h->dims;
    const uint32_t n = d->shape.n_ctx;
    float *panels = h->memory->panels;
    pack_columns(panels, h->v, d->s_qkv, d->head_dim, n);
    struct product by_weights = square_product(h, d_out, d->s_embd, h->memory->d_p);
    multiply(&by_weights);
    pack_rows(panels, d_out, d->s_embd, n, d->head_dim);
    struct product by_v = weighted_product(h, drop_weights(h), true, d_v, d->s_qkv);
    multiply(&by_v);
    for (uint32_t m = 0; m < n; m++) {
        differentiate_softmax(h, m);
    }
    pack_rows(panels, h->k, d->s_qkv, n, d->head_dim);
    struct product by_q = weighted_product(h, h->memory->d_p, false, d_q, d->s_qkv);
    multiply(&by_q);
    pack_rows(panels, h->q, d->s_qkv, n, d->head_dim);
    struct product by_k = weighted_product(h, h->memory->d_p, true, d_k, d->s_qkv);
    multiply(&by_k);
}

/* Turns q and k of every row by the angles of its position; `back`: by the opposite ones. */
KG_INLINE void turn_rows(const struct kg_dense_pass *pass, float *qkv, bool back)
{
    const struct kg_dense_dims *d = pass->dims;
    const uint32_t rows = pass->windows * d->shape.n_ctx;
    for (uint32_t row = 0; row < rows; row++) {
        const float *turn = pass->turns + (size_t)(row % d->shape.n_ctx) * d->head_dim;
        for (uint32_t head = 0; head < 2 * d->shape.n_head; head++) { /* those of q, then those of k */
            float *x = qkv + (size_t)row * d->s_qkv + head * d->head_dim;
            for (uint32_t i = 0; i + 1 < d->head_dim; i += 2) {
                float a = x[i], b = x[i + 1], sine = back ? -turn[i + 1] : turn[i + 1];
                x[i] = a * turn[i] - b * sine;
                x[i + 1] = b * turn[i] + a * sine;
            }
        }
    }
}

KG_INLINE struct head head_of(const struct kg_dense_pass *pass, const struct kg_dense_layer *layer,
                              const struct kg_dense_dropout *dropout, uint32_t window, uint32_t head)
{
    const struct kg_dense_dims *d = pass->dims;
    const uint32_t n = d->shape.n_ctx;
    const float *qkv = layer->qkv + (size_t)window * n * d->s_qkv + head * d->head_dim;
    return (struct head){.dims = d,
                         .memory = pass->memory,
                         .q = qkv,
                         .k = qkv + d->shape.n_embd,
                         .v = qkv + 2 * d->shape.n_embd,
                         .p = layer->p + ((size_t)window * d->shape.n_head + head) * n * d->s_ctx,
                         .dropout = dropout,
                         .index = ((pass->first + window) * d->shape.n_head + head) * n * n};
}

#endif
