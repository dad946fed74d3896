/* The KV cache, of the shape (layer, head, position, head_dim): attention reads it in sequence, and a shift is one
 * memmove for each head. */
#ifndef KGPT_INFER_KV_H
#define KGPT_INFER_KV_H

#include "lm_model.h"

/* Positions that lie elsewhere, of the same shape: those of a prefill (kgpt/prefill.h). Nothing is written there. */
struct kg_lm_kv_base {
    const uint8_t *keys, *values;
    uint32_t n_ctx; /* positions there */
    uint32_t n;     /* those before it are read there, the others from the cache */
};

struct kg_lm_kv {
    uint8_t *keys, *values;
    struct kg_lm_kv_base base;
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

/* The keys or the values of one head in one layer, from position 0 on: where the base has them, and where the cache. */
struct kg_lm_kv_row {
    const uint8_t *base, *own;
};

static inline struct kg_lm_kv_row kg_lm_kv_row(const struct kg_lm_kv *kv, bool values, uint32_t layer, uint32_t head)
{
    uint64_t before = ((uint64_t)layer * kv->heads + head) * kv->base.n_ctx * kv->vector;
    return (struct kg_lm_kv_row){.base = (values ? kv->base.values : kv->base.keys) + before,
                                 .own = kg_lm_kv_head(kv, values ? kv->values : kv->keys, layer, head)};
}

/* Where position `from` is. *n: how many positions up to `to` - 1 lie there together. */
static inline const uint8_t *kg_lm_kv_at(const struct kg_lm_kv *kv, struct kg_lm_kv_row row, uint32_t from, uint32_t to,
                                         uint32_t *n)
{
    bool in_base = from < kv->base.n;
    *n = (in_base && kv->base.n < to ? kv->base.n : to) - from;
    return (in_base ? row.base : row.own) + (uint64_t)from * kv->vector;
}

/* The first `n` positions of a row. */
void kg_lm_kv_copy(const struct kg_lm_kv *kv, struct kg_lm_kv_row row, uint32_t n, uint8_t *to);

/* One head at one position, in the cache's type; and back. */
void kg_lm_kv_store(const struct kg_lm_kv *kv, uint8_t *to, const float *head);
void kg_lm_kv_load(const struct kg_lm_kv *kv, const uint8_t *from, float *head);

#endif
