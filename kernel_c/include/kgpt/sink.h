/* Consumers of a reply: the console, the machine channel, later a server's connection. A reply has a list of sinks;
 * the reply loop does no other output. A sink sets callbacks that it does not need to NULL. */
#ifndef KGPT_SINK_H
#define KGPT_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/sampling.h"

struct kg_reply; /* kgpt/reply.h */

/* A sampled token. `pos` is its position in the context; `sample` counts from 0. */
struct kg_token {
    uint32_t sample, pos, id;
    const char *text; /* the `n` bytes that can be shown now; an incomplete character is shown with a later token */
    size_t n;
    float logprob; /* of this token and of the `n_top` most likely, if the request asked for them */
    const struct kg_logprob *top;
    uint32_t n_top;
};

struct kg_sink {
    const struct kg_sink *next; /* the sink that is told after this one; NULL: none */
    void *context;              /* the first argument of each function */
    /* The prompt has reply->n_prompt tokens; none is computed yet. */
    void (*begin)(void *context, const struct kg_reply *reply);
    /* Between the layers of the prompt: reply->n_read of its tokens are computed. */
    void (*progress)(void *context, const struct kg_reply *reply);
    /* The context was full: the oldest `discarded` tokens after the system prompt were discarded. */
    void (*forgot)(void *context, const struct kg_reply *reply, uint32_t discarded);
    /* `token` was computed and gave reply->past.logits. Only if the request asked for logits. */
    void (*logits)(void *context, const struct kg_reply *reply, uint32_t token);
    /* The next part of the text of the reply, in whole characters. */
    void (*text)(void *context, const struct kg_reply *reply, const char *text, size_t n);
    void (*token)(void *context, const struct kg_reply *reply, const struct kg_token *token);
    /* The reply has ended: reply->reason, reply->text and reply->speed are final. */
    void (*done)(void *context, const struct kg_reply *reply);
    /* The residual stream of a language model. Only if the request asked for layers. */
    void (*layer)(void *context, const char *what, uint32_t layer, const float *values, size_t n);
    /* Asked between two tokens, and between the layers of the prompt. True ends the reply. */
    bool (*stopped)(void *context);
};

#endif
