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
