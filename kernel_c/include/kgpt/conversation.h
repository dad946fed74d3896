/* A language model that is open, and conversations with it. What is loaded never changes, and any number of conversations share it. A
 * conversation owns all the rest: its keys and values, its tokens, its sampler and the text of its reply. Their steps can come in any
 * order, token by token: each conversation gives the bits that it gives alone. */
#ifndef KGPT_CONVERSATION_H
#define KGPT_CONVERSATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/chat.h"
#include "kgpt/error.h"
#include "kgpt/gguf.h"
#include "kgpt/lm.h"
#include "kgpt/reply.h"
#include "kgpt/stream.h"
#include "kgpt/vocab.h"

/* What is read of a GGUF file and of its chat template. */
struct kg_lm_loaded {
    struct kg_gguf gguf;
    char arch[32];
    struct kg_vocab vocab;
    struct kg_lm_model model;
    struct kg_chat chat;
    bool has_chat;
    uint32_t end_token; /* ends a reply of the chat too; or KG_NO_TOKEN, and then end_text does, if it is not empty */
    char end_text[64];
};

/* A GGUF file of `size` bytes at `data`, and its chat template (KGCT; NULL: none). The file's matrices are brought into the layout of
 * kgpt/quant.h, in place, unless they are `interleaved` already. */
enum kg_status kg_lm_load(struct kg_lm_loaded *loaded, const void *data, uint64_t size, bool interleaved,
                          struct kg_arena *arena, struct kg_error *error);
enum kg_status kg_lm_load_chat(struct kg_lm_loaded *loaded, const void *chat, uint64_t size, struct kg_error *error);

struct kg_conversation {
    const struct kg_lm_loaded *loaded;
    struct kg_lm_session session; /* the context */
    struct kg_sampler sampler;
    struct kg_stream stream;
    struct kg_request request; /* of the reply in the making, or of the last one */
    struct kg_reply reply;
    uint32_t *prompt;     /* (n_ctx + 1): tokens to be computed */
    char *piece;          /* (vocab.longest): scratch */
    uint32_t *latency_us; /* (n_ctx): of each token of the reply */
    uint64_t start;       /* plat_ticks() when the reply was asked for */

    uint32_t replies;  /* in this conversation */
    uint32_t n_system; /* tokens that a shift keeps: BOS and the system prompt */
    size_t pending_n;  /* bytes of reply.pending that come before a stop string; 0: all */
    uint32_t ask_at;   /* where the request for the last reply stands, for templates that show old replies otherwise */
    uint32_t reply_at; /* where the last reply begins; 0: there is none, or what it replied to was forgotten */
    struct kg_speed total; /* of the conversation: sums, and the largest */
};

/* Bytes that kg_conversation_init takes from an arena, with those of the session. */
struct kg_lm_size kg_conversation_size(const struct kg_lm_loaded *loaded, const struct kg_lm_options *options);
enum kg_status kg_conversation_init(struct kg_conversation *conversation, const struct kg_lm_loaded *loaded,
                                    const struct kg_quant_ops *ops, const struct kg_workers *workers,
                                    const struct kg_lm_options *options, struct kg_arena *arena);

/* Forgets all that was said. */
void kg_conversation_reset(struct kg_conversation *conversation);

/* Who asks, for what, and who is told. `scratch` is rewound. */
struct kg_ask {
    const struct kg_request *request; /* copied */
    const struct kg_sink *sinks;
    struct kg_arena *scratch; /* for encoding: kg_vocab_scratch() of the longest text */
};

/* A text as tokens, BOS before it where the vocabulary wants one or the text is empty: for kg_conversation_continue. */
enum kg_status kg_conversation_encode(struct kg_conversation *conversation, struct kg_text text, uint32_t *n,
                                      struct kg_arena *scratch, struct kg_error *error);

/* Begins a reply that goes on from the first `n` tokens at conversation->prompt, without a template. Of what the context held before only the
 * tokens that these begin with stay, and they are not computed again. */
enum kg_status kg_conversation_continue(struct kg_conversation *conversation, uint32_t n, const struct kg_ask *ask,
                                        struct kg_error *error);

/* Begins the reply to a message, in the chat's template; `system` counts before the first message. KG_E_CONTEXT before anything is computed
 * or forgotten if it has no room. */
enum kg_status kg_conversation_message(struct kg_conversation *conversation, struct kg_text system,
                                       struct kg_text message, const struct kg_ask *ask, struct kg_error *error);

/* Begins another reply to the last message. */
enum kg_status kg_conversation_again(struct kg_conversation *conversation, const struct kg_ask *ask,
                                     struct kg_error *error);

/* Then one step for each token, until reply.ended; and kg_conversation_end. */
enum kg_status kg_conversation_step(struct kg_conversation *conversation, struct kg_error *error);
void kg_conversation_end(struct kg_conversation *conversation);

/* All steps, and the end. */
enum kg_status kg_conversation_finish(struct kg_conversation *conversation, struct kg_error *error);

#endif
