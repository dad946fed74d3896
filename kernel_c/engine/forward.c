/* microgpt's forward pass for one position (A. Karpathy, 2026):
 *
 *   x = rmsnorm(wte[token] + wpe[pos])
 *   per layer:  x += wo · attention(rmsnorm(x));  x += fc2 · apply_relu(fc1 · rmsnorm(x))
 *   logits = lm_head · x
 *
 * No biases, no gains, no final norm. Every sum has one order: long ones that of ops->dot, sums over positions
 * ascending. */
#include <stdbool.h>

#include "kgpt/math.h"
#include "kgpt/mem.h"
#include "loops.h"

/* scores (n) become probabilities; the largest is subtracted first, so that exp cannot overflow */
static void apply_softmax(float *scores, uint32_t n)
{
    float largest = scores[0], sum = 0;
    for (uint32_t t = 1; t < n; t++) {
        largest = scores[t] > largest ? scores[t] : largest;
    }
    for (uint32_t t = 0; t < n; t++) {
        scores[t] = kg_expf(scores[t] - largest);
        sum += scores[t];
    }
    for (uint32_t t = 0; t < n; t++) {
        scores[t] /= sum;
    }
}

/* out (head_dim) = apply_softmax(query · keys / sqrt(head_dim)) · values, over the positions 0 .. pos of one head.
 * `keys` and `values` point at that head in position 0; a position is kv_dim floats further than the one before. */
static void attend_one_head(struct kg_session *s, float *out, const float *query, const float *keys,
                            const float *values)
{
    uint32_t n = s->pos + 1, dim = s->model->head_dim;
    size_t stride = s->model->kv_dim;
    float scale = 1.0f / kg_sqrtf((float)dim);
    for (uint32_t t = 0; t < n; t++) {
        s->scores[t] = s->ops->dot(query, keys + t * stride, dim) * scale;
    }
    apply_softmax(s->scores, n);
    for (uint32_t d = 0; d < dim; d++) {
        out[d] = 0;
    }
    for (uint32_t t = 0; t < n; t++) {
        for (uint32_t d = 0; d < dim; d++) {
            out[d] += s->scores[t] * values[t * stride + d];
        }
    }
}

/* x += wo · attention(rmsnorm(x)), after this position's key and value are stored in the cache */
static void run_attention_block(struct kg_session *s, const struct kg_layer *w, uint32_t layer)
{
    const struct kg_model *m = s->model;
    size_t cache = (size_t)layer * m->n_ctx * m->kv_dim, here = cache + (size_t)s->pos * m->kv_dim;
    uint32_t heads_per_kv = m->n_head / m->n_head_kv;
    kg_micro_norm(s, s->normed, s->x, m->n_embd);
    s->ops->matmul(s->query, w->wq, s->normed, m->n_embd, m->n_embd);
    s->ops->matmul(s->keys + here, w->wk, s->normed, m->kv_dim, m->n_embd);
    s->ops->matmul(s->values + here, w->wv, s->normed, m->kv_dim, m->n_embd);
    for (uint32_t head = 0; head < m->n_head; head++) {
        size_t at = (size_t)head * m->head_dim, kv_at = cache + (size_t)(head / heads_per_kv) * m->head_dim;
        attend_one_head(s, s->attention + at, s->query + at, s->keys + kv_at, s->values + kv_at);
        if (s->maps) {
            size_t map = (size_t)layer * m->n_head + head;
            memcpy(s->maps + (map * m->n_ctx + s->pos) * m->n_ctx, s->scores, (s->pos + 1) * sizeof *s->scores);
        }
    }
    s->ops->matmul(s->projected, w->wo, s->attention, m->n_embd, m->n_embd);
    kg_micro_add(s->x, s->projected, m->n_embd);
}

/* x += fc2 · apply_relu(fc1 · rmsnorm(x)) */
static void run_mlp_block(struct kg_session *s, const struct kg_layer *w)
{
    const struct kg_model *m = s->model;
    kg_micro_norm(s, s->normed, s->x, m->n_embd);
    s->ops->matmul(s->hidden, w->fc1, s->normed, m->n_ff, m->n_embd);
    kg_micro_relu(s->hidden, m->n_ff);
    s->ops->matmul(s->projected, w->fc2, s->hidden, m->n_embd, m->n_ff);
    kg_micro_add(s->x, s->projected, m->n_embd);
}

static void embed_token(struct kg_session *s, uint32_t token)
{
    const struct kg_model *m = s->model;
    const float *token_row = m->wte + (size_t)token * m->n_embd, *position_row = m->wpe + (size_t)s->pos * m->n_embd;
    for (uint32_t i = 0; i < m->n_embd; i++) {
        s->x[i] = token_row[i] + position_row[i];
    }
    kg_micro_norm(s, s->x, s->x, m->n_embd);
}

enum kg_status kg_session_step(struct kg_session *s, uint32_t token)
{
    const struct kg_model *m = s->model;
    if (token >= m->n_vocab) {
        return KG_E_INPUT;
    }
    if (s->pos >= m->n_ctx) {
        return KG_E_CONTEXT;
    }
    embed_token(s, token);
    for (uint32_t layer = 0; layer < m->n_layer; layer++) {
        struct kg_layer w = kg_model_layer(m, layer);
        run_attention_block(s, &w, layer);
        run_mlp_block(s, &w);
        if (s->maps) {
            memcpy(s->streams + (size_t)layer * m->n_embd, s->x, m->n_embd * sizeof *s->x);
        }
    }
    s->ops->matmul(s->logits, m->lm_head, s->x, m->n_vocab, m->n_embd);
    s->pos++;
    return KG_OK;
}
