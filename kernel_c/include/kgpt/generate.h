/* A microgpt's documents: BOS and a prompt, then what the reply loop (kgpt/reply.h) samples until BOS, a limit, a
 * full context, or a stop. */
#ifndef KGPT_GENERATE_H
#define KGPT_GENERATE_H

#include <stddef.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/reply.h"
#include "kgpt/session.h"

struct kg_totals {
    uint32_t samples;       /* finished or stopped */
    uint64_t prompt_tokens; /* computed, BOS included */
    uint64_t tokens;        /* sampled, BOS included */
};

struct kg_generator {
    const struct kg_model *model;
    struct kg_session *session;
    struct kg_sampler sampler;
    struct kg_request request; /* of the current document */
    struct kg_reply reply;     /* its text begins with the prompt */
    uint32_t *tokens;          /* (n_ctx): BOS and the prompt */
    uint32_t n_prompt;
    char *text; /* (text_size): the document so far */
    size_t text_size;
};

/* Allocates a generator from an arena that counts or has enough memory. `session` was carved before. */
void kg_generator_carve(struct kg_generator *generator, struct kg_session *session, struct kg_arena *arena);

/* Generates `samples` documents from one prompt, which is encoded once; request->index numbers them from 0. Returns
 * KG_E_INPUT or KG_E_CONTEXT with a message if the prompt is unusable, KG_E_STOPPED if a sink stopped the run. */
enum kg_status kg_generate(struct kg_generator *generator, const char *prompt, uint32_t samples,
                           const struct kg_request *request, const struct kg_sink *sinks, struct kg_totals *totals,
                           struct kg_error *error);

#endif
