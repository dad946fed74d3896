/* One forward pass: the tokens of one or several sessions, and the buffers that it works in. */
#ifndef KGPT_INFER_STATE_H
#define KGPT_INFER_STATE_H

#include "attention.h"
#include "kv.h"
#include "lm_model.h"
#include "rope.h"

/* Values of a batch, (tokens, n): token t's start at data + t * stride. */
struct kg_lm_rows {
    float *data;
    size_t stride;
};

/* A token of a pass: row t of the batch. */
struct kg_lm_row_token {
    const struct kg_lm_kv *kv; /* of its session */
    uint32_t id;
    uint32_t position;
};

/* The tokens of one session in a pass: rows first .. first + n - 1, at successive positions. */
struct kg_lm_run {
    struct kg_lm_session *session;
    const struct kg_lm_kv *kv; /* session->kv */
    uint32_t first, n;
    uint32_t position; /* of the first token */
    uint32_t n_logits; /* the last so many leave logits */
};

/* What a pass works in. It keeps nothing from one pass to the next, except the logits. */
struct kg_lm_work {
    const struct kg_lm_model *model;
    const struct kg_quant_ops *ops;
    const struct kg_workers *workers;
    struct kg_lm_rope rope;
    struct kg_lm_row_token *tokens;                /* (n_batch) */
    struct kg_lm_run *runs;                        /* (n_batch) */
    struct kg_lm_rows x;                           /* the residual stream (n_embd) */
    struct kg_lm_rows normed, projected;           /* (n_embd) */
    struct kg_lm_rows query, key, value, attended; /* (n_head or n_head_kv, head_dim) */
    struct kg_lm_rows hidden, gate;                /* (n_ff) */
    uint8_t *acts[KG_N_ACTS];                      /* the input of a product, by kind: NULL if no matrix takes that */
    size_t act_stride[KG_N_ACTS];                  /* bytes */
    struct kg_lm_attention attention;
    uint32_t *wanted; /* (n_logits): the rows that leave logits */
    float *logits;    /* (n_logits, n_vocab), if n_logits is more than one */
};

struct kg_lm_pass {
    struct kg_lm_work *work;
    const struct kg_lm_model *model;
    const struct kg_lm_layer *layer;
    uint32_t layer_number;
    const struct kg_lm_row_token *tokens; /* (n): work->tokens */
    uint32_t n;
    const struct kg_lm_run *runs; /* (n_runs): work->runs */
    uint32_t n_runs;
    uint32_t n_logits; /* of all runs: work->wanted */
};

static inline float *kg_lm_row(const struct kg_lm_rows *rows, uint32_t t)
{
    return rows->data + t * rows->stride;
}

/* work.c: the buffers for passes of these options. */
struct kg_lm_work *kg_lm_work_carve(const struct kg_lm_model *model, const struct kg_quant_ops *ops,
                                    const struct kg_workers *workers, const struct kg_lm_options *options,
                                    struct kg_arena *arena);

/* rows.c: out = matrix · input + bias; the input is in work->acts. */
struct kg_lm_product {
    const struct kg_matrix *matrix;
    const float *bias;     /* (rows), or NULL */
    struct kg_lm_rows out; /* (pass->n, rows) */
};

/* `n` values as the activations that this matrix takes, of token t. */
void kg_lm_take(const struct kg_lm_pass *pass, const float *x, uint32_t n, const struct kg_matrix *matrix, uint32_t t);

/* All of the products for the first `tokens` activations; their rows are shared among the workers. */
void kg_lm_products(const struct kg_lm_pass *pass, const struct kg_lm_product *products, uint32_t n_products,
                    uint32_t tokens);

/* work->hidden = activation(gate) * up, or activation(up) where there is no gate. */
void kg_lm_feed_forward(const struct kg_lm_pass *pass);

/* attention/share.c: work->attended from work->query and the caches. */
void kg_lm_attend(const struct kg_lm_pass *pass);

/* forward.c: computes the tokens of the pass, and writes the logits (n_logits, n_vocab) to `logits`. `stopped` is
 * asked before each layer, since a batch may take seconds: then false is returned. */
bool kg_lm_forward(struct kg_lm_pass *pass, float *logits, bool (*stopped)(void *), void *context);

#endif
