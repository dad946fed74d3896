/* The private state of a session, and one pass of a batch of tokens through the model. */
#ifndef KGPT_INFER_STATE_H
#define KGPT_INFER_STATE_H

#include "kv.h"
#include "lm_model.h"
#include "rope.h"

#define KG_LM_MOST_SLOTS_AT_ONCE 64u /* workers that can attend at the same time; more than these wait */

/* Values of a batch, (tokens, n): token t's start at data + t * stride. */
struct kg_lm_rows {
    float *data;
    size_t stride;
};

struct kg_lm_state {
    struct kg_lm_kv kv;
    struct kg_lm_rope rope;
    struct kg_lm_rows x;                           /* the residual stream (n_embd) */
    struct kg_lm_rows normed, projected;           /* (n_embd) */
    struct kg_lm_rows query, key, value, attended; /* (n_head or n_head_kv, head_dim) */
    struct kg_lm_rows hidden, gate;                /* (n_ff) */
    uint8_t *acts[KG_N_ACTS];                      /* the input of a product, by kind: NULL if no matrix takes that */
    size_t act_stride[KG_N_ACTS];                  /* bytes */
    float *scores;                                 /* (slots, n_ctx) */
    uint32_t slots;
};

struct kg_lm_pass {
    struct kg_lm_session *session;
    const struct kg_lm_model *model;
    struct kg_lm_state *state;
    const struct kg_lm_layer *layer;
    uint32_t layer_number;
    uint32_t first; /* position of the first token */
    uint32_t n;     /* tokens of the batch */
};

static inline float *kg_lm_row(const struct kg_lm_rows *rows, uint32_t t)
{
    return rows->data + t * rows->stride;
}

/* rows.c: out = matrix · input + bias; the input is in state->acts. */
struct kg_lm_product {
    const struct kg_matrix *matrix;
    const float *bias;     /* (rows), or NULL */
    struct kg_lm_rows out; /* of the tokens that are computed */
};

/* `n` values as the activations that this matrix takes, of token t. */
void kg_lm_take(const struct kg_lm_pass *pass, const float *x, uint32_t n, const struct kg_matrix *matrix, uint32_t t);

/* All of the products for tokens first_token, … of the batch; their rows are shared among the workers. */
void kg_lm_products(const struct kg_lm_pass *pass, const struct kg_lm_product *products, uint32_t n_products,
                    uint32_t first_token, uint32_t tokens);

/* state->hidden = activation(gate) * up, or activation(up) where there is no gate. */
void kg_lm_feed_forward(const struct kg_lm_pass *pass);

/* attention.c: state->attended from state->query and the cache. */
void kg_lm_attend(const struct kg_lm_pass *pass);

/* forward.c: computes n tokens, at most a batch, of session->tokens from n_past on, and their logits if wanted.
 * `stopped` is asked before each layer, since a batch may take seconds: then false is returned, and n_past stays as
 * it was. */
bool kg_lm_forward(struct kg_lm_session *session, uint32_t n, bool logits, bool (*stopped)(void *), void *context);

#endif
