/* See kv.h. */
#include "kv.h"

#include "kgpt/mem.h"

void kg_lm_kv_carve(struct kg_lm_kv *kv, const struct kg_lm_model *model, const struct kg_quant_ops *ops,
                    const struct kg_lm_options *options, struct kg_arena *arena)
{
    const uint64_t vectors = kg_arena_times((uint64_t)model->n_layer * model->n_head_kv, options->n_ctx);
    kv->ops = ops;
    kv->type = options->kv;
    kv->dim = model->head_dim;
    kv->heads = model->n_head_kv;
    kv->n_ctx = options->n_ctx;
    kv->vector = kg_kv_size(options->kv, model->head_dim);
    kv->keys = kg_arena_array(arena, vectors, kv->vector);
    kv->values = kg_arena_array(arena, vectors, kv->vector);
    kv->base = (struct kg_lm_kv_base){.keys = kv->keys, .values = kv->values, .n_ctx = kv->n_ctx};
}

void kg_lm_kv_copy(const struct kg_lm_kv *kv, struct kg_lm_kv_row row, uint32_t n, uint8_t *to)
{
    for (uint32_t from = 0, more; from < n; from += more) {
        const uint8_t *at = kg_lm_kv_at(kv, row, from, n, &more);
        memcpy(to + (uint64_t)from * kv->vector, at, (uint64_t)more * kv->vector);
    }
}

void kg_lm_own(struct kg_lm_session *session)
{
    struct kg_lm_kv *kv = session->kv;
    for (uint32_t layer = 0; layer < session->model->n_layer && kv->base.n; layer++) {
        for (uint32_t head = 0; head < kv->heads; head++) {
            kg_lm_kv_copy(kv, kg_lm_kv_row(kv, false, layer, head), kv->base.n,
                          kg_lm_kv_head(kv, kv->keys, layer, head));
            kg_lm_kv_copy(kv, kg_lm_kv_row(kv, true, layer, head), kv->base.n,
                          kg_lm_kv_head(kv, kv->values, layer, head));
        }
    }
    kv->base.n = 0;
}

void kg_lm_kv_store(const struct kg_lm_kv *kv, uint8_t *to, const float *head)
{
    kv->ops->attention->store[kv->type](to, head, kv->dim);
}

void kg_lm_kv_load(const struct kg_lm_kv *kv, const uint8_t *from, float *head)
{
    float padded[KG_LM_MOST_HEAD_DIM];
    kv->ops->attention->load[kv->type](padded, KG_LM_MOST_HEAD_DIM, from, 1, kv->dim, 0, kv->dim);
    memcpy(head, padded, kv->dim * sizeof *head);
}
