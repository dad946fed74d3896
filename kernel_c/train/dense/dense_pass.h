/* Forward and backward of a group of windows, and the update: compiled once per ISA. */
#ifndef KGPT_TRAIN_DENSE_PASS_H
#define KGPT_TRAIN_DENSE_PASS_H

#include "dense_activation.h"
#include "dense_attention.h"
#include "dense_matmul.h"
#include "dense_norm.h"
#include "kgpt/dmath.h"

KG_INLINE uint32_t rows_of(const struct kg_dense_pass *pass)
{
    return pass->windows * pass->dims->shape.n_ctx;
}

KG_INLINE const struct kg_dense_dropout *site_of(const struct kg_dense_pass *pass, uint32_t site)
{
    return pass->sites ? &pass->sites[site] : NULL;
}

/* Where the parameters of layer i begin, relative to those of layer 0. */
KG_INLINE size_t at_layer(const struct kg_dense_pass *pass, uint32_t i)
{
    return i * pass->dims->layer_size;
}

/* y = x W^T + bias. `layer`: 0 for the output. */
KG_INLINE void apply_matrix(const struct kg_dense_pass *pass, const struct kg_dense_matrix *matrix, uint32_t layer,
                            const float *bias, const float *x, uint32_t x_stride, float *y, uint32_t y_stride)
{
    struct product product = {.a = x,
                              .a_m = x_stride,
                              .a_k = 1,
                              .b = pass->packed + matrix->forward + layer * pass->dims->layer_packed,
                              .c = y,
                              .c_stride = y_stride,
                              .bias = bias,
                              .m = rows_of(pass),
                              .n = matrix->rows,
                              .k = matrix->columns};
    multiply(&product);
}

/* From d_y: d_x = d_y W, and adds d_y^T x to the gradient of W, and the sum of d_y to that of the bias. */
KG_INLINE void differentiate_matrix(const struct kg_dense_pass *pass, const struct kg_dense_matrix *matrix,
                                    uint32_t layer, float *d_bias, const float *x, uint32_t x_stride, const float *d_y,
                                    uint32_t y_stride, float *d_x)
{
    const uint32_t rows = rows_of(pass);
    struct product by_x = {.a = d_y,
                           .a_m = y_stride,
                           .a_k = 1,
                           .b = pass->packed + matrix->backward + layer * pass->dims->layer_packed,
                           .c = d_x,
                           .c_stride = x_stride,
                           .m = rows,
                           .n = matrix->columns,
                           .k = matrix->rows};
    struct product by_weights = {.a = d_y,
                                 .a_m = 1,
                                 .a_k = y_stride,
                                 .b = pass->memory->panels,
                                 .c = pass->gradients + matrix->at + at_layer(pass, layer),
                                 .c_stride = matrix->columns,
                                 .narrow = pass->memory->narrow,
                                 .m = matrix->rows,
                                 .n = matrix->columns,
                                 .k = rows,
                                 .add = true};
    multiply(&by_x);
    pack_rows(pass->memory->panels, x, x_stride, rows, matrix->columns);
    multiply(&by_weights);
    for (uint32_t row = 0; d_bias && row < rows; row++) {
        add_row_to(d_bias, d_y + (size_t)row * y_stride, matrix->rows);
    }
}

KG_INLINE const float *bias_at(const struct kg_dense_pass *pass, size_t at)
{
    return pass->dims->bias ? pass->weights + at : NULL;
}

KG_INLINE float *bias_gradient_at(const struct kg_dense_pass *pass, size_t at)
{
    return pass->dims->bias ? pass->gradients + at : NULL;
}

KG_INLINE struct norm norm_at(const struct kg_dense_pass *pass, size_t gain, size_t bias)
{
    const struct kg_dense_dims *d = pass->dims;
    return (struct norm){.n = d->shape.n_embd,
                         .centred = d->centred,
                         .gain = d->gain ? pass->weights + gain : NULL,
                         .bias = bias_at(pass, bias)};
}

KG_ONCE void normalise_rows(const struct kg_dense_pass *pass, const struct norm *norm, const float *x, float *hat,
                            float *y, float *scale)
{
    const size_t stride = pass->dims->s_embd;
    for (uint32_t row = 0; row < rows_of(pass); row++) {
        scale[row] = normalise_row(norm, x + row * stride, hat + row * stride, y + row * stride);
    }
}

KG_ONCE void differentiate_norm(const struct kg_dense_pass *pass, const struct norm *norm, const float *hat,
                                const float *scale, const float *d_y, float *d_x, float *d_gain, float *d_bias)
{
    const size_t stride = pass->dims->s_embd;
    for (uint32_t row = 0; row < rows_of(pass); row++) {
        differentiate_norm_row(norm, hat + row * stride, scale[row], d_y + row * stride, d_x + row * stride, d_gain,
                               d_bias);
    }
}

/* to = drop(from), or to += drop(from), for rows of the residual stream. */
KG_INLINE void drop_rows(const struct kg_dense_pass *pass, const struct kg_dense_dropout *dropout, const float *from,
                         float *to, const bool add)
{
    const uint32_t n = pass->dims->shape.n_embd;
    const size_t stride = pass->dims->s_embd;
    for (uint32_t row = 0; row < rows_of(pass); row++) {
        uint32_t index = (pass->first * pass->dims->shape.n_ctx + row) * n;
        for (uint32_t j = 0; j < n; j += KG_VECTOR) {
            vec v = load_vec(from + row * stride + j);
            v = dropout ? dropped(dropout, v, index + j) : v;
            store_vec(to + row * stride + j, add ? (vec)(load_vec(to + row * stride + j) + v) : v);
        }
    }
}

KG_INLINE void embed_tokens(const struct kg_dense_pass *pass)
{
    const struct kg_dense_dims *d = pass->dims;
    struct kg_dense_memory *m = pass->memory;
    const uint32_t n = d->shape.n_embd;
    for (uint32_t row = 0; row < rows_of(pass); row++) {
        const float *token = pass->weights + d->embedding.at + (size_t)m->tokens[row] * n;
        const float *position = pass->weights + d->position_embd + (size_t)(row % d->shape.n_ctx) * n;
        for (uint32_t j = 0; j < n; j += KG_VECTOR) {
            vec x = load_loose(token + j);
            store_vec(m->x + (size_t)row * d->s_embd + j, d->positions ? (vec)(x + load_loose(position + j)) : x);
        }
    }
    if (d->embedding_norm) {
        const struct norm norm = {.n = n};
        normalise_rows(pass, &norm, m->x, m->hat0, m->hat0, m->scale0);
        memcpy(m->x, m->hat0, (size_t)rows_of(pass) * d->s_embd * sizeof *m->x);
    }
    if (pass->sites) {
        drop_rows(pass, site_of(pass, 0), m->x, m->x, false);
    }
}

KG_ONCE void compute_layer(const struct kg_dense_pass *pass, uint32_t i)
{
    const struct kg_dense_dims *d = pass->dims;
    struct kg_dense_memory *m = pass->memory;
    struct kg_dense_layer *layer = &m->layers[i];
    const size_t at = at_layer(pass, i);
    const struct norm norm1 = norm_at(pass, d->attn_norm + at, d->attn_norm_bias + at);
    const struct norm norm2 = norm_at(pass, d->ffn_norm + at, d->ffn_norm_bias + at);
    normalise_rows(pass, &norm1, m->x, layer->hat1, layer->y1, layer->scale1);
    apply_matrix(pass, &d->qkv, i, bias_at(pass, d->qkv_bias + at), layer->y1, d->s_embd, layer->qkv, d->s_qkv);
    if (d->rope) {
        turn_rows(pass, layer->qkv, false);
    }
    for (uint32_t j = 0; j < pass->windows * d->shape.n_head; j++) {
        uint32_t window = j / d->shape.n_head, head = j % d->shape.n_head;
        struct head h = head_of(pass, layer, site_of(pass, 3 * i + 1), window, head);
        attend(&h, layer->attended + (size_t)window * d->shape.n_ctx * d->s_embd + head * d->head_dim);
    }
    apply_matrix(pass, &d->o, i, bias_at(pass, d->o_bias + at), layer->attended, d->s_embd, m->rows1, d->s_embd);
    drop_rows(pass, site_of(pass, 3 * i + 2), m->rows1, m->x, true);
    normalise_rows(pass, &norm2, m->x, layer->hat2, layer->y2, layer->scale2);
    apply_matrix(pass, &d->up, i, bias_at(pass, d->up_bias + at), layer->y2, d->s_embd, layer->up, d->s_up);
    for (uint32_t row = 0; row < rows_of(pass); row++) {
        activate_row(d, layer->up + (size_t)row * d->s_up, layer->act + (size_t)row * d->s_ff);
    }
    apply_matrix(pass, &d->down, i, bias_at(pass, d->down_bias + at), layer->act, d->s_ff, m->rows1, d->s_embd);
    drop_rows(pass, site_of(pass, 3 * i + 3), m->rows1, m->x, true);
}

/* The loss of a row in nats; its logits become the derivatives, times `weight`. */
KG_INLINE double lose_row(float *logits, uint32_t n, uint32_t target, float weight)
{
    float most = logits[0];
    for (uint32_t i = 1; i < n; i++) {
        most = logits[i] > most ? logits[i] : most;
    }
    double at_target = (double)logits[target] - (double)most;
    struct lanes sum = {{{0}}};
    KG_EACH_VECTOR(j, l, n)
    {
        vec e = only_below(exponential(load_vec(logits + j) - splat(most)), j, n);
        store_vec(logits + j, e);
        sum.v[l] += e;
    }
    float total = sum_of_lanes(&sum);
    for (uint32_t j = 0; j < n; j += KG_VECTOR) {
        store_vec(logits + j, load_vec(logits + j) * splat(weight / total));
    }
    logits[target] -= weight;
    return kg_log((double)total) - at_target;
}

static void dense_forward(const struct kg_dense_pass *pass)
{
    const struct kg_dense_dims *d = pass->dims;
    struct kg_dense_memory *m = pass->memory;
    const struct norm norm = norm_at(pass, d->output_norm, d->output_norm_bias);
    embed_tokens(pass);
    for (uint32_t i = 0; i < d->shape.n_layer; i++) {
        compute_layer(pass, i);
    }
    const float *y = m->x;
    if (d->gain) {
        normalise_rows(pass, &norm, m->x, m->hat, m->y, m->scale);
        y = m->y;
    }
    apply_matrix(pass, &d->output, 0, NULL, y, d->s_embd, m->logits, d->s_vocab);
    m->loss = 0;
    for (uint32_t row = 0; row < rows_of(pass); row++) {
        m->loss += lose_row(m->logits + (size_t)row * d->s_vocab, d->shape.n_vocab, m->targets[row], pass->weight);
    }
}

KG_ONCE void differentiate_ffn(const struct kg_dense_pass *pass, uint32_t i)
{
    const struct kg_dense_dims *d = pass->dims;
    struct kg_dense_memory *m = pass->memory;
    const struct kg_dense_layer *layer = &m->layers[i];
    const size_t at = at_layer(pass, i);
    const struct norm norm = norm_at(pass, d->ffn_norm + at, d->ffn_norm_bias + at);
    const float *d_out = m->x;
    if (pass->sites) {
        drop_rows(pass, site_of(pass, 3 * i + 3), m->x, m->rows1, false);
        d_out = m->rows1;
    }
    differentiate_matrix(pass, &d->down, i, bias_gradient_at(pass, d->down_bias + at), layer->act, d->s_ff, d_out,
                         d->s_embd, m->d_act);
    for (uint32_t row = 0; row < rows_of(pass); row++) {
        differentiate_activation(d, layer->up + (size_t)row * d->s_up, m->d_act + (size_t)row * d->s_ff,
                                 m->d_up + (size_t)row * d->s_up);
    }
    differentiate_matrix(pass, &d->up, i, bias_gradient_at(pass, d->up_bias + at), layer->y2, d->s_embd, m->d_up,
                         d->s_up, m->rows2);
    differentiate_norm(pass, &norm, layer->hat2, layer->scale2, m->rows2, m->x, pass->gradients + d->ffn_norm + at,
                       pass->gradients + d->ffn_norm_bias + at);
}

KG_INLINE void differentiate_heads(const struct kg_dense_pass *pass, uint32_t i, const float *d_attended)
{
    const struct kg_dense_dims *d = pass->dims;
    struct kg_dense_memory *m = pass->memory;
    for (uint32_t j = 0; j < pass->windows * d->shape.n_head; j++) {
        uint32_t window = j / d->shape.n_head, head = j % d->shape.n_head;
        struct head h = head_of(pass, &m->layers[i], site_of(pass, 3 * i + 1), window, head);
        size_t row = (size_t)window * d->shape.n_ctx, column = head * d->head_dim;
        float *d_q = m->d_qkv + row * d->s_qkv + column;
        differentiate_attention(&h, d_attended + row * d->s_embd + column, d_q, d_q + d->shape.n_embd,
                                d_q + 2 * d->shape.n_embd);
    }
    if (d->rope) {
        turn_rows(pass, m->d_qkv, true);
    }
}

KG_ONCE void differentiate_layer_attention(const struct kg_dense_pass *pass, uint32_t i)
{
    const struct kg_dense_dims *d = pass->dims;
    struct kg_dense_memory *m = pass->memory;
    const struct kg_dense_layer *layer = &m->layers[i];
    const size_t at = at_layer(pass, i);
    const struct norm norm = norm_at(pass, d->attn_norm + at, d->attn_norm_bias + at);
    const float *d_out = m->x;
    if (pass->sites) {
        drop_rows(pass, site_of(pass, 3 * i + 2), m->x, m->rows1, false);
        d_out = m->rows1;
    }
    differentiate_matrix(pass, &d->o, i, bias_gradient_at(pass, d->o_bias + at), layer->attended, d->s_embd, d_out,
                         d->s_embd, m->rows2);
    differentiate_heads(pass, i, m->rows2);
    differentiate_matrix(pass, &d->qkv, i, bias_gradient_at(pass, d->qkv_bias + at), layer->y1, d->s_embd, m->d_qkv,
                         d->s_qkv, m->rows2);
    differentiate_norm(pass, &norm, layer->hat1, layer->scale1, m->rows2, m->x, pass->gradients + d->attn_norm + at,
                       pass->gradients + d->attn_norm_bias + at);
}

KG_INLINE void differentiate_embedding(const struct kg_dense_pass *pass)
{
    const struct kg_dense_dims *d = pass->dims;
    struct kg_dense_memory *m = pass->memory;
    const uint32_t n = d->shape.n_embd;
    const float *d_x = m->x;
    if (pass->sites) {
        drop_rows(pass, site_of(pass, 0), m->x, m->x, false);
    }
    if (d->embedding_norm) {
        const struct norm norm = {.n = n};
        memset(m->rows1, 0, (size_t)rows_of(pass) * d->s_embd * sizeof *m->rows1);
        differentiate_norm(pass, &norm, m->hat0, m->scale0, m->x, m->rows1, NULL, NULL);
        d_x = m->rows1;
    }
    for (uint32_t row = 0; row < rows_of(pass); row++) {
        const float *from = d_x + (size_t)row * d->s_embd;
        add_row_to(pass->gradients + d->embedding.at + (size_t)m->tokens[row] * n, from, n);
        if (d->positions) {
            add_row_to(pass->gradients + d->position_embd + (size_t)(row % d->shape.n_ctx) * n, from, n);
        }
    }
}

static void dense_backward(const struct kg_dense_pass *pass)
{
    const struct kg_dense_dims *d = pass->dims;
    struct kg_dense_memory *m = pass->memory;
    const struct norm norm = norm_at(pass, d->output_norm, d->output_norm_bias);
    if (d->gain) {
        differentiate_matrix(pass, &d->output, 0, NULL, m->y, d->s_embd, m->logits, d->s_vocab, m->rows2);
        memset(m->x, 0, (size_t)rows_of(pass) * d->s_embd * sizeof *m->x);
        differentiate_norm(pass, &norm, m->hat, m->scale, m->rows2, m->x, pass->gradients + d->output_norm,
                           pass->gradients + d->output_norm_bias);
    } else {
        memcpy(m->rows2, m->x, (size_t)rows_of(pass) * d->s_embd * sizeof *m->x);
        differentiate_matrix(pass, &d->output, 0, NULL, m->rows2, d->s_embd, m->logits, d->s_vocab, m->x);
    }
    for (uint32_t i = d->shape.n_layer; i-- > 0;) {
        differentiate_ffn(pass, i);
        differentiate_layer_attention(pass, i);
    }
    differentiate_embedding(pass);
}

static double dense_sum(float *const *gradients, uint32_t n_chunks, size_t from, size_t to)
{
    struct lanes squares = {{{0}}};
    for (size_t at = from; at < to; at += KG_DENSE_LANES) {
        KG_UNROLL for (uint32_t l = 0; l < KG_SPLIT; l++)
        {
            vec sum = load_vec(gradients[0] + at + l * KG_VECTOR);
            for (uint32_t c = 1; c < n_chunks; c++) {
                sum += load_vec(gradients[c] + at + l * KG_VECTOR);
            }
            store_vec(gradients[0] + at + l * KG_VECTOR, sum);
            squares.v[l] = madd(sum, sum, squares.v[l]);
        }
    }
    return (double)sum_of_lanes(&squares);
}

static void dense_update(const struct kg_dense_slice *slice, const struct kg_dense_rates *rates)
{
    for (size_t at = slice->from; at < slice->to; at += KG_VECTOR) {
        vec gradient = load_vec(slice->gradients + at) * splat(rates->clip);
        vec mean = madd(splat(rates->beta1), load_vec(slice->mean + at), splat(rates->keep1) * gradient);
        vec square = madd(splat(rates->beta2), load_vec(slice->square + at), splat(rates->keep2) * gradient * gradient);
        vec root = madd(square_root_of_lanes(square), splat(rates->root2), splat(rates->eps));
        vec weight = load_vec(slice->weights + at) * splat(rates->decay);
        store_vec(slice->mean + at, mean);
        store_vec(slice->square + at, square);
        store_vec(slice->weights + at, weight - splat(rates->rate) * mean / root);
    }
}

const struct kg_dense_functions KG_FUNCTIONS = {
    .isa = KG_ISA,
    .forward = dense_forward,
    .backward = dense_backward,
    .pack = pack_matrix,
    .sum = dense_sum,
    .update = dense_update,
};

#endif
