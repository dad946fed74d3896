/* The parts of mode=explain: a reply, whose sink sends each number on the way to each token (docs/explain-trace.md).
 * The numbers are those that the engine computes with anyway. */
#ifndef KGPT_APP_EXPLAIN_H
#define KGPT_APP_EXPLAIN_H

#include "app/lm.h"
#include "kgpt/random.h"
#include "layer_list.h"

#define KG_EXPLAIN_NEURONS 16u /* the strongest; a layer of at most KG_EXPLAIN_ALL neurons tells all */
#define KG_EXPLAIN_ALL 64u
#define KG_EXPLAIN_LENS 8u           /* tokens of the lens */
#define KG_EXPLAIN_CANDIDATES 256u   /* tokens of a draw */
#define KG_EXPLAIN_VOCAB 512u        /* the largest vocabulary whose logits are told whole */
#define KG_EXPLAIN_MOST (16ul << 20) /* numbers of a trace */

struct kg_explain {
    struct kg_lm_turn turn; /* first: the context of its sinks */
    struct kg_layer_list layers, vectors;
    uint32_t n_layers, n_vectors;
    float *lengths; /* (1 + 2 n_layer): of the residual stream in the current pass */
    float *normed;  /* (n_embd) */
    float *logits;  /* (n_vocab): of the lens */
    uint32_t *ids;  /* (KG_EXPLAIN_CANDIDATES), and so are the others: scratch of an event */
    uint32_t *kept;
    float *values, *adjusted, *weights;
    struct kg_random random; /* draws what the reply draws */
};

/* lm_explain_pass.c: a function of a sink, told by the probe of the session. */
void kg_explain_layer(void *context, const char *what, uint32_t layer, const float *values, size_t n);

/* lm_explain_draw.c: a function of a sink: how a token was drawn. */
void kg_explain_token(void *context, const struct kg_reply *reply, const struct kg_token *token);

#endif
