/* microgpt's forward and backward pass over the rows of a chunk, and Adam: the text of fast_c.c, fast_avx2.c and
 * fast_avx512.c, each of which chooses KG_VECTOR, KG_FUSED and KG_FUNCTIONS.
 *
 *   x = rmsnorm(wte[token] + wpe[pos])
 *   per layer:  x += wo · attention(rmsnorm(x));  x += fc2 · relu(fc1 · rmsnorm(x))
 *   logits = lm_head · x
 *
 * d_x is the derivative of the loss by x. Derivatives by weights are sums over rows, in the order of the rows. */
#include "fast.h"
#include "fast_attention.h"
#include "fast_matmul.h"
#include "train/train_vector.h"

/* --- from rows to columns and back --- */

typedef float four __attribute__((vector_size(16), may_alias));

/* Four by four: to[j][i] = from[i][j]. */
KG_INLINE void turn_four(float *to, size_t to_stride, const float *from, size_t from_stride)
{
    four a = *(const four *)from, b = *(const four *)(from + from_stride);
    four c = *(const four *)(from + 2 * from_stride), d = *(const four *)(from + 3 * from_stride);
    four ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    four cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(four *)to = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
    *(four *)(to + to_stride) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
    *(four *)(to + 2 * to_stride) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
    *(four *)(to + 3 * to_stride) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
}

/* to (columns, to_stride) = from (rows, from_stride), turned. Up to 3 rows behind the last are read and written too:
 * both matrices have room for a multiple of KG_FAST_LANES. Columns are exact: what pads them stays 0. */
KG_ONCE void turn_matrix(float *to, size_t to_stride, const float *from, size_t from_stride, uint32_t rows,
                         uint32_t columns)
{
    uint32_t j = 0;
    for (; j + 4 <= columns; j += 4) {
        for (uint32_t i = 0; i < rows; i += 4) {
            turn_four(to + j * to_stride + i, to_stride, from + i * from_stride + j, from_stride);
        }
    }
    for (; j < columns; j++) {
        for (uint32_t i = 0; i < rows; i++) {
            to[j * to_stride + i] = from[i * from_stride + j];
        }
    }
}

/* The other way: from (features, from_stride) in columns to rows (to_stride). Rows behind the last are written too. */
KG_ONCE void turn_back(float *to, size_t to_stride, const float *from, size_t from_stride, uint32_t rows,
                       uint32_t columns)
{
    uint32_t j = 0;
    for (; j + 4 <= columns; j += 4) {
        for (uint32_t i = 0; i < rows; i += 4) {
            turn_four(to + i * to_stride + j, to_stride, from + j * from_stride + i, from_stride);
        }
    }
    for (; j < columns; j++) {
        for (uint32_t i = 0; i < rows; i++) {
            to[i * to_stride + j] = from[j * from_stride + i];
        }
    }
}

/* The rows (width) of a matrix of the residual stream. */
static const float *as_rows(const struct kg_fast_dims *d, struct kg_fast_chunk *c, const float *columns)
{
    turn_back(c->rows_embd, d->width, columns, c->rows.stride, c->rows.n, d->n_embd);
    return c->rows_embd;
}

/* --- rmsnorm, softmax --- */

/* y = x * scale, scale = 1 / sqrt(mean(x²) + 1e-5) */
KG_ONCE void normalize_columns(const struct kg_fast_dims *d, const struct kg_fast_rows *rows, float *y, float *scale,
                               const float *x)
{
    for (uint32_t r = 0; r < rows->padded; r += KG_VECTOR) {
        vec sum = {0};
        for (uint32_t i = 0; i < d->n_embd; i++) {
            vec value = load_vec(x + (size_t)i * rows->stride + r);
            sum = madd(value, value, sum);
        }
        vec s = splat(1.0f) / square_root_of_lanes(sum / splat((float)d->n_embd) + splat(1e-5f));
        store_vec(scale + r, s);
        for (uint32_t i = 0; i < d->n_embd; i++) {
            store_vec(y + (size_t)i * rows->stride + r, load_vec(x + (size_t)i * rows->stride + r) * s);
        }
    }
}

/* d_x = (add ? add : 0) + scale * (d_y - y * mean(y * d_y)); d_x may be add. */
KG_ONCE void rmsnorm_back(const struct kg_fast_dims *d, const struct kg_fast_rows *rows, float *d_x, const float *add,
                          const float *y, const float *scale, const float *d_y)
{
    for (uint32_t r = 0; r < rows->padded; r += KG_VECTOR) {
        vec sum = {0};
        for (uint32_t i = 0; i < d->n_embd; i++) {
            size_t at = (size_t)i * rows->stride + r;
            sum = madd(load_vec(y + at), load_vec(d_y + at), sum);
        }
        vec mean = sum / splat(-(float)d->n_embd), s = load_vec(scale + r);
        for (uint32_t i = 0; i < d->n_embd; i++) {
            size_t at = (size_t)i * rows->stride + r;
            vec inner = madd(load_vec(y + at), mean, load_vec(d_y + at));
            store_vec(d_x + at, madd(s, inner, add ? load_vec(add + at) : (vec){0}));
        }
    }
}

/* log_sum = log(sum(exp(logits))); logits become their derivatives but for the targets: weight * probability. The
 * targets' logits are wanted before: see loss. */
static void softmax_logits(const struct kg_fast_dims *d, struct kg_fast_chunk *c)
{
    const struct kg_fast_rows *rows = &c->rows;
    for (uint32_t r = 0; r < rows->padded; r += KG_VECTOR) {
        vec largest = load_vec(c->logits + r), sum = {0};
        for (uint32_t v = 1; v < d->n_vocab; v++) {
            largest = larger(largest, load_vec(c->logits + (size_t)v * rows->stride + r));
        }
        for (uint32_t v = 0; v < d->n_vocab; v++) {
            float *at = c->logits + (size_t)v * rows->stride + r;
            vec e = exponential(load_vec(at) - largest);
            sum = sum + e;
            store_vec(at, e);
        }
        store_vec(c->log_sum + r, logarithm(sum) + largest);
        vec share = load_vec(rows->weight + r) / sum;
        for (uint32_t v = 0; v < d->n_vocab; v++) {
            float *at = c->logits + (size_t)v * rows->stride + r;
            store_vec(at, load_vec(at) * share);
        }
    }
}

/* The loss is weight * (log_sum - logit), over the targets: the logits' part before softmax, the sums' after it. */
static double targets_logits(const struct kg_fast_chunk *c)
{
    const struct kg_fast_rows *rows = &c->rows;
    double sum = 0;
    for (uint32_t i = 0; i < rows->n_targets; i++) {
        float logit = c->logits[(size_t)rows->target[i] * rows->stride + rows->target_row[i]];
        sum += (double)rows->target_weight[i] * (double)logit;
    }
    return sum;
}

static double targets_log_sums(const struct kg_fast_chunk *c)
{
    const struct kg_fast_rows *rows = &c->rows;
    double sum = 0;
    for (uint32_t i = 0; i < rows->n_targets; i++) {
        sum += (double)rows->target_weight[i] * (double)c->log_sum[rows->target_row[i]];
    }
    return sum;
}

/* --- forward --- */

static void embed_rows(const struct kg_fast_dims *d, const float *weights, struct kg_fast_chunk *c)
{
    const struct kg_fast_rows *rows = &c->rows;
    for (uint32_t r = 0; r < rows->n; r++) {
        const float *token = weights + d->wte + (size_t)rows->token[r] * d->width;
        const float *position = weights + d->wpe + (size_t)rows->pos[r] * d->width;
        for (uint32_t i = 0; i < d->width; i += KG_VECTOR) {
            store_vec(c->rows_embd + (size_t)r * d->width + i, load_vec(token + i) + load_vec(position + i));
        }
    }
    turn_matrix(c->x_next, rows->stride, c->rows_embd, d->width, rows->n, d->n_embd);
    normalize_columns(d, rows, c->embedded, c->embedded_scale, c->x_next);
}

static void attention_forward(const struct kg_fast_dims *d, const float *w, struct kg_fast_chunk *c,
                              struct kg_fast_layer *layer, const float *x, float *out)
{
    const struct kg_fast_rows *rows = &c->rows;
    const size_t stride = rows->stride, three = (size_t)3 * d->attention;
    normalize_columns(d, rows, layer->normed1, layer->scale1, x);
    multiply_fast(&(struct product){.a = layer->normed1,
                                    .a_m = 1,
                                    .a_k = stride,
                                    .b = w + d->wqkv,
                                    .b_stride = three,
                                    .c = layer->qkv,
                                    .c_stride = three,
                                    .m = rows->n,
                                    .n = 3 * d->attention,
                                    .k = d->n_embd});
    attend_rows(d, c, layer);
    turn_matrix(c->qkv_columns, stride, layer->attended, d->attention, rows->n, d->attention);
    multiply_fast(&(struct product){.a = w + d->wo,
                                    .a_m = d->attention,
                                    .a_k = 1,
                                    .b = c->qkv_columns,
                                    .b_stride = stride,
                                    .c = out,
                                    .c_stride = stride,
                                    .add = x,
                                    .m = d->n_embd,
                                    .n = rows->padded,
                                    .k = d->attention});
}

static void mlp_forward(const struct kg_fast_dims *d, const float *w, struct kg_fast_chunk *c,
                        struct kg_fast_layer *layer, const float *x, float *out)
{
    const struct kg_fast_rows *rows = &c->rows;
    const size_t stride = rows->stride;
    normalize_columns(d, rows, layer->normed2, layer->scale2, x);
    multiply_fast(&(struct product){.a = w + d->fc1,
                                    .a_m = d->width,
                                    .a_k = 1,
                                    .b = layer->normed2,
                                    .b_stride = stride,
                                    .c = layer->hidden,
                                    .c_stride = stride,
                                    .m = d->n_ff,
                                    .n = rows->padded,
                                    .k = d->n_embd});
    for (uint32_t f = 0; f < d->n_ff; f++) {
        for (uint32_t r = 0; r < rows->padded; r += KG_VECTOR) {
            float *at = layer->hidden + f * stride + r;
            vec h = load_vec(at);
            store_vec(at, (vec)((ivec)h & (h > (vec){0})));
        }
    }
    multiply_fast(&(struct product){.a = w + d->fc2,
                                    .a_m = 1,
                                    .a_k = d->width,
                                    .b = layer->hidden,
                                    .b_stride = stride,
                                    .c = out,
                                    .c_stride = stride,
                                    .add = x,
                                    .m = d->n_embd,
                                    .n = rows->padded,
                                    .k = d->n_ff});
}

static void chunk_forward(const struct kg_fast_pass *pass)
{
    const struct kg_fast_dims *d = pass->dims;
    struct kg_fast_chunk *c = pass->chunk;
    const struct kg_fast_rows *rows = &c->rows;
    embed_rows(d, pass->weights, c);
    const float *x = c->embedded;
    for (uint32_t i = 0; i < d->n_layer; i++) {
        const float *w = pass->weights + d->layers + i * d->layer_size;
        attention_forward(d, w, c, &c->layers[i], x, c->x_next);
        mlp_forward(d, w, c, &c->layers[i], c->x_next, c->x);
        x = c->x;
    }
    multiply_fast(&(struct product){.a = pass->weights + d->lm_head,
                                    .a_m = d->width,
                                    .a_k = 1,
                                    .b = c->x,
                                    .b_stride = rows->stride,
                                    .c = c->logits,
                                    .c_stride = rows->stride,
                                    .m = d->n_vocab,
                                    .n = rows->padded,
                                    .k = d->n_embd});
    double logits = targets_logits(c);
    softmax_logits(d, c);
    c->loss = targets_log_sums(c) - logits;
}

/* --- backward --- */

static void logits_backward(const struct kg_fast_dims *d, const float *weights, struct kg_fast_chunk *c)
{
    const struct kg_fast_rows *rows = &c->rows;
    const size_t stride = rows->stride;
    for (uint32_t i = 0; i < rows->n_targets; i++) {
        c->logits[(size_t)rows->target[i] * stride + rows->target_row[i]] -= rows->target_weight[i];
    }
    multiply_fast(&(struct product){.a = c->logits,
                                    .a_m = stride,
                                    .a_k = 1,
                                    .b = as_rows(d, c, c->x),
                                    .b_stride = d->width,
                                    .c = c->gradients + d->lm_head,
                                    .c_stride = d->width,
                                    .m = d->n_vocab,
                                    .n = d->width,
                                    .k = rows->n});
    multiply_fast(&(struct product){.a = weights + d->lm_head,
                                    .a_m = 1,
                                    .a_k = d->width,
                                    .b = c->logits,
                                    .b_stride = stride,
                                    .c = c->d_x,
                                    .c_stride = stride,
                                    .m = d->n_embd,
                                    .n = rows->padded,
                                    .k = d->n_vocab});
}

static void mlp_backward(const struct kg_fast_dims *d, const float *w, struct kg_fast_chunk *c,
                         const struct kg_fast_layer *layer, float *gradients)
{
    const struct kg_fast_rows *rows = &c->rows;
    const size_t stride = rows->stride;
    multiply_fast(&(struct product){.a = layer->hidden,
                                    .a_m = stride,
                                    .a_k = 1,
                                    .b = as_rows(d, c, c->d_x),
                                    .b_stride = d->width,
                                    .c = gradients + d->fc2,
                                    .c_stride = d->width,
                                    .m = d->n_ff,
                                    .n = d->width,
                                    .k = rows->n});
    multiply_fast(&(struct product){.a = w + d->fc2,
                                    .a_m = d->width,
                                    .a_k = 1,
                                    .b = c->d_x,
                                    .b_stride = stride,
                                    .c = c->d_hidden,
                                    .c_stride = stride,
                                    .m = d->n_ff,
                                    .n = rows->padded,
                                    .k = d->n_embd});
    for (uint32_t f = 0; f < d->n_ff; f++) {
        for (uint32_t r = 0; r < rows->padded; r += KG_VECTOR) {
            float *at = c->d_hidden + f * stride + r;
            store_vec(at, (vec)((ivec)load_vec(at) & (load_vec(layer->hidden + f * stride + r) > (vec){0})));
        }
    }
    multiply_fast(&(struct product){.a = c->d_hidden,
                                    .a_m = stride,
                                    .a_k = 1,
                                    .b = as_rows(d, c, layer->normed2),
                                    .b_stride = d->width,
                                    .c = gradients + d->fc1,
                                    .c_stride = d->width,
                                    .m = d->n_ff,
                                    .n = d->width,
                                    .k = rows->n});
    multiply_fast(&(struct product){.a = w + d->fc1,
                                    .a_m = 1,
                                    .a_k = d->width,
                                    .b = c->d_hidden,
                                    .b_stride = stride,
                                    .c = c->d_normed,
                                    .c_stride = stride,
                                    .m = d->n_embd,
                                    .n = rows->padded,
                                    .k = d->n_ff});
    rmsnorm_back(d, rows, c->d_x, c->d_x, layer->normed2, layer->scale2, c->d_normed);
}

static void attention_backward_rows(const struct kg_fast_dims *d, const float *w, struct kg_fast_chunk *c,
                                    const struct kg_fast_layer *layer, float *gradients)
{
    const struct kg_fast_rows *rows = &c->rows;
    const size_t stride = rows->stride, three = (size_t)3 * d->attention;
    multiply_fast(&(struct product){.a = c->d_x,
                                    .a_m = stride,
                                    .a_k = 1,
                                    .b = layer->attended,
                                    .b_stride = d->attention,
                                    .c = gradients + d->wo,
                                    .c_stride = d->attention,
                                    .m = d->n_embd,
                                    .n = d->attention,
                                    .k = rows->n});
    multiply_fast(&(struct product){.a = c->d_x,
                                    .a_m = 1,
                                    .a_k = stride,
                                    .b = w + d->wo,
                                    .b_stride = d->attention,
                                    .c = c->d_attended,
                                    .c_stride = d->attention,
                                    .m = rows->n,
                                    .n = d->attention,
                                    .k = d->n_embd});
    attend_back(d, c, layer);
    multiply_fast(&(struct product){.a = layer->normed1,
                                    .a_m = stride,
                                    .a_k = 1,
                                    .b = c->d_qkv,
                                    .b_stride = three,
                                    .c = gradients + d->wqkv,
                                    .c_stride = three,
                                    .m = d->n_embd,
                                    .n = 3 * d->attention,
                                    .k = rows->n});
    turn_matrix(c->qkv_columns, stride, c->d_qkv, three, rows->n, 3 * d->attention);
    multiply_fast(&(struct product){.a = w + d->wqkv,
                                    .a_m = three,
                                    .a_k = 1,
                                    .b = c->qkv_columns,
                                    .b_stride = stride,
                                    .c = c->d_normed,
                                    .c_stride = stride,
                                    .m = d->n_embd,
                                    .n = rows->padded,
                                    .k = 3 * d->attention});
    rmsnorm_back(d, rows, c->d_x, c->d_x, layer->normed1, layer->scale1, c->d_normed);
}

static void embed_rows_backward(const struct kg_fast_dims *d, struct kg_fast_chunk *c)
{
    const struct kg_fast_rows *rows = &c->rows;
    rmsnorm_back(d, rows, c->d_x, NULL, c->embedded, c->embedded_scale, c->d_x);
    const float *d_rows = as_rows(d, c, c->d_x);
    for (size_t i = d->wte; i < d->lm_head; i += KG_VECTOR) { /* wte and wpe, which lie side by side */
        store_vec(c->gradients + i, (vec){0});
    }
    for (uint32_t r = 0; r < rows->n; r++) {
        float *token = c->gradients + d->wte + (size_t)rows->token[r] * d->width;
        float *position = c->gradients + d->wpe + (size_t)rows->pos[r] * d->width;
        for (uint32_t i = 0; i < d->width; i += KG_VECTOR) {
            vec x = load_vec(d_rows + (size_t)r * d->width + i);
            store_vec(token + i, load_vec(token + i) + x);
            store_vec(position + i, load_vec(position + i) + x);
        }
    }
}

static void chunk_backward(const struct kg_fast_pass *pass)
{
    const struct kg_fast_dims *d = pass->dims;
    struct kg_fast_chunk *c = pass->chunk;
    logits_backward(d, pass->weights, c);
    for (uint32_t i = d->n_layer; i-- > 0;) {
        size_t at = d->layers + i * d->layer_size;
        mlp_backward(d, pass->weights + at, c, &c->layers[i], c->gradients + at);
        attention_backward_rows(d, pass->weights + at, c, &c->layers[i], c->gradients + at);
    }
    embed_rows_backward(d, c);
}

/* --- Adam --- */

static void update_slice(const struct kg_fast_slice *s, const struct kg_fast_rates *r)
{
    for (size_t i = s->from; i < s->to; i += KG_VECTOR) {
        vec gradient = load_vec(s->chunks[0].gradients + i);
        for (uint32_t c = 1; c < s->n_chunks; c++) {
            gradient = gradient + load_vec(s->chunks[c].gradients + i);
        }
        vec mean = load_vec(s->mean + i) * splat(r->beta1) + gradient * splat(r->keep1);
        vec square = load_vec(s->square + i) * splat(r->beta2) + gradient * gradient * splat(r->keep2);
        store_vec(s->mean + i, mean);
        store_vec(s->square + i, square);
        vec root = square_root_of_lanes(square * splat(r->correction2)) + splat(r->eps);
        store_vec(s->weights + i, load_vec(s->weights + i) * splat(r->decay) - mean * splat(r->rate) / root);
    }
}

const struct kg_fast_functions KG_FUNCTIONS = {
    .isa = KG_ISA, .forward = chunk_forward, .backward = chunk_backward, .update = update_slice};
