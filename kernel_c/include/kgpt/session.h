/* The state of one microgpt document: its KV cache, and the logits of the last position. */
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
    uint32_t pos;      /* filled positions: index of the next token */
    float *keys;       /* (n_layer, n_ctx, kv_dim) */
    float *values;     /* (n_layer, n_ctx, kv_dim) */
    float *x;          /* (n_embd): the residual stream */
    float *normed;     /* (n_embd) */
    float *query;      /* (n_embd) */
    float *attention;  /* (n_embd): concatenated outputs of the heads */
    float *projected;  /* (n_embd): addend of the residual stream */
    float *hidden;     /* (n_ff) */
    float *scores;     /* (n_ctx): attention scores of one head */
    float *logits;     /* (n_vocab): of the last position */
    uint64_t kv_bytes; /* bytes of the arena for keys and values */

    /* What explains a text: NULL, unless the caller wants it of the tokens that follow. */
    float *maps;    /* (n_layer, n_head, n_ctx, n_ctx): the weights of attention; row: who looks */
    float *streams; /* (n_layer, n_embd), with `maps`: the residual stream behind each layer, of the last token */
};

/* Allocates an empty session from an arena that counts or has enough memory. */
void kg_session_carve(struct kg_session *session, const struct kg_model *model, const struct kg_ops *ops,
                      struct kg_arena *arena);

/* Clears the context. */
void kg_session_reset(struct kg_session *session);

/* Computes one token at the next position and stores its logits. KG_E_CONTEXT if the context is full, KG_E_INPUT if
 * the token is out of range. */
enum kg_status kg_session_step(struct kg_session *session, uint32_t token);

#endif
