/* The KV cache, of the shape (layer, head, position, head_dim): attention reads it in sequence, and a shift is one
 * memmove for each head. */
#ifndef KGPT_INFER_KV_H
#define KGPT_INFER_KV_H

#include "lm_model.h"

struct kg_lm_kv {
    uint8_t *keys, *values;
    const struct kg_quant_ops *ops;
    enum kg_kv_type type;
    uint32_t dim;    /* values of a head */
    uint32_t heads;  /* of a layer */
    uint32_t n_ctx;  /* positions */
    uint32_t vector; /* bytes of one head at one position */
};

/* The arena counts, or has room for it. */
void kg_lm_kv_carve(struct kg_lm_kv *kv, const struct kg_lm_model *model, const struct kg_quant_ops *ops,
                    const struct kg_lm_options *options, struct kg_arena *arena);

/* Where a head's first position is, in keys or in values. */
static inline uint8_t *kg_lm_kv_head(const struct kg_lm_kv *kv, uint8_t *cache, uint32_t layer, uint32_t head)
{
    return cache + ((uint64_t)layer * kv->heads + head) * kv->n_ctx * kv->vector;
}

/* One head at one position, in the cache's type; and back. */
void kg_lm_kv_store(const struct kg_lm_kv *kv, uint8_t *to, const float *head);
void kg_lm_kv_load(const struct kg_lm_kv *kv, const uint8_t *from, float *head);

#endif
