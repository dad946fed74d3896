/* The loop that makes documents: prompt in, tokens out, until BOS, a limit, a full context, or a stop. */
#ifndef KGPT_GENERATE_H
#define KGPT_GENERATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/sampler.h"
#include "kgpt/session.h"

enum kg_reason {
    KG_REASON_EOS,
    KG_REASON_MAX_TOKENS,
    KG_REASON_CONTEXT,
    KG_REASON_STOPPED,
};

extern const char *const kg_reason_names[]; /* "eos", "max_tokens", "context", "stopped" */

struct kg_request {
    const char *prompt;
    uint32_t samples;
    uint32_t max_tokens; /* per sample; 0: to the end of the context */
    uint64_t seed;
    struct kg_sampling sampling;
};

/* A sampled token: it will stand at `pos` (BOS at 0); `sample` counts from 0. */
struct kg_token {
    uint32_t sample, pos, id;
    const char *text; /* `n` bytes; none for BOS */
    size_t n;
};

struct kg_document {
    uint32_t index;
    const char *text; /* prompt included, `n` bytes */
    size_t n;
    uint32_t tokens; /* sampled, BOS included */
    enum kg_reason reason;
};

/* Who is told. Every function gets `context` and must be there. */
struct kg_observer {
    void *context;
    void (*begin)(void *context, uint32_t sample);
    void (*logits)(void *context, uint32_t sample, uint32_t pos, uint32_t token, const float *logits);
    void (*token)(void *context, const struct kg_token *token);
    void (*document)(void *context, const struct kg_document *document);
    bool (*stopped)(void *context); /* asked between two tokens */
};

struct kg_totals {
    uint32_t samples;       /* finished or stopped */
    uint64_t prompt_tokens; /* fed, BOS included */
    uint64_t tokens;        /* sampled, BOS included */
};

struct kg_generator {
    const struct kg_model *model;
    struct kg_session *session;
    struct kg_sampler sampler;
    uint32_t *tokens; /* (n_ctx): BOS and the prompt */
    char *text;       /* (text_size): the document so far */
    size_t text_size;
};

/* For a session that was carved; the arena counts, or has room for it. */
void kg_generator_carve(struct kg_generator *generator, struct kg_session *session, struct kg_arena *arena);

/* KG_E_INPUT or KG_E_CONTEXT with a message if the prompt cannot be used; KG_E_STOPPED if the observer said so. */
enum kg_status kg_generate(struct kg_generator *generator, const struct kg_request *request,
                           const struct kg_observer *observer, struct kg_totals *totals, struct kg_error *error);

#endif
