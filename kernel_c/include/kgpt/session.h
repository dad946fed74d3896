/* One document in the making: the keys and values of its positions, and the logits of the last. */
#ifndef KGPT_SESSION_H
#define KGPT_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/model.h"
#include "kgpt/ops.h"

struct kg_session {
    const struct kg_model *model;
    const struct kg_ops *ops;
    uint32_t pos;      /* positions filled: where the next token goes */
    float *keys;       /* (n_layer, n_ctx, kv_dim) */
    float *values;     /* (n_layer, n_ctx, kv_dim) */
    float *x;          /* (n_embd): the residual stream */
    float *normed;     /* (n_embd) */
    float *query;      /* (n_embd) */
    float *attention;  /* (n_embd): the heads' outputs side by side */
    float *projected;  /* (n_embd): what is added to the residual stream */
    float *hidden;     /* (n_ff) */
    float *scores;     /* (n_ctx): of one head */
    float *logits;     /* (n_vocab): of the last position */
    uint64_t kv_bytes; /* of the arena, for keys and values */
};

/* An empty session; the arena counts, or has room for it. */
void kg_session_carve(struct kg_session *session, const struct kg_model *model, const struct kg_ops *ops,
                      struct kg_arena *arena);

/* Forget the document. */
void kg_session_reset(struct kg_session *session);

/* Feed the token of the next position; session->logits then tell what follows it. KG_E_CONTEXT if the context is full,
 * KG_E_INPUT if there is no such token. */
enum kg_status kg_session_step(struct kg_session *session, uint32_t token);

#endif
