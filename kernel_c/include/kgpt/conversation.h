/* A loaded language model, and conversations with it. A loaded model never changes, and any number of conversations
 * share it. A conversation owns everything that changes: KV cache, tokens, sampler, and the text of its reply. The
 * steps of several conversations can come in any order, token by token: each gives the bits that it gives alone. */
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
#include "kgpt/matcher.h"
#include "kgpt/prefill.h"
#include "kgpt/reply.h"
#include "kgpt/speculation.h"
#include "kgpt/stream.h"
#include "kgpt/vocab.h"

/* A model, its vocabulary, its chat template, and the prefill of its chats. */
struct kg_lm_loaded {
    struct kg_gguf gguf;
    char arch[32];
    struct kg_vocab vocab;
    struct kg_lm_model model;
    struct kg_chat chat;
    bool has_chat;
    uint32_t end_token;        /* another token that ends a reply of the chat, or KG_NO_TOKEN */
    char end_text[64];         /* without such a token: a stop string of the chat, or empty */
    struct kg_prefill prefill; /* without tokens if there is none */
    /* Set before kg_lm_load, to show progress: as in struct kg_gguf. NULL: nobody asks. */
    void (*interleaving)(void *context, uint64_t done);
    void *context;
};

/* Loads a GGUF file of `size` bytes at `data`, and its chat template (KGCT; NULL: none). Interleaves the file's
 * matrices in place (layout of kgpt/quant.h), unless `interleaved` says that they already are. */
enum kg_status kg_lm_load(struct kg_lm_loaded *loaded, const void *data, uint64_t size, bool interleaved,
                          struct kg_arena *arena, struct kg_error *error);
enum kg_status kg_lm_load_chat(struct kg_lm_loaded *loaded, const void *chat, uint64_t size, struct kg_error *error);

/* Then its prefill (KGPF; NULL: none). `origin` has the hashes of that file and that template. */
enum kg_status kg_lm_load_prefill(struct kg_lm_loaded *loaded, const void *prefill, uint64_t size,
                                  const struct kg_prefill_origin *origin, struct kg_error *error);

/* A prompt that is not computed yet, or not completely. */
struct kg_unread {
    const uint32_t *tokens; /* (n), the first `done` of them computed */
    uint32_t n, done;
    uint32_t ask;  /* tokens before the request for the reply */
    bool again;    /* another reply to the last message */
    size_t last_n; /* bytes of the last reply's text */
};

struct kg_conversation {
    const struct kg_lm_loaded *loaded;
    struct kg_lm_session session; /* the KV cache */
    struct kg_speculation speculation;
    struct kg_sampler sampler;
    struct kg_matcher *matcher; /* for requests with a grammar: the owner's, of this model; NULL: they are refused */
    struct kg_stream stream;
    struct kg_request request; /* of the current or the last reply */
    struct kg_reply reply;
    uint32_t *prompt;     /* (n_ctx + 1): tokens to compute */
    char *piece;          /* (vocab.longest): scratch */
    uint32_t *latency_us; /* (n_ctx): of each token of the reply */
    uint64_t start;       /* plat_ticks() when the reply was requested */
    uint64_t step_start;  /* plat_ticks() when the current token was begun */
    struct kg_unread unread;
    bool batched;         /* kg_batch_step computes the current reply */
    bool as_llama2c;      /* the text is one of llama2.c's run.c: it begins with the prompt, and only BOS ends it */
    uint32_t n_unshown;   /* … and these tokens of the prompt, behind BOS, are not shown yet */
    uint64_t computed_at; /* session.computed when the prompt was computed */

    uint32_t replies;      /* in this conversation */
    uint32_t n_system;     /* tokens that a shift keeps: BOS and the system prompt */
    size_t pending_n;      /* bytes of reply.pending that come before a stop string; 0: all */
    uint32_t ask_at;       /* position of the request for the last reply, for templates that rewrite earlier replies */
    uint32_t reply_at;     /* position of the last reply; 0: there is none, or its message was forgotten */
    struct kg_speed total; /* of the conversation: sums, and the largest */
};

/* An empty conversation, with `options` as kg_lm_session_carve wants them, and drafts as `speculation` says (NULL:
 * none). The arena counts, or has room for it; then kg_conversation_fill writes what the conversation needs there. */
void kg_conversation_carve(struct kg_conversation *conversation, const struct kg_lm_loaded *loaded,
                           const struct kg_quant_ops *ops, const struct kg_workers *workers,
                           const struct kg_lm_options *options, const struct kg_speculation_options *speculation,
                           struct kg_arena *arena);
void kg_conversation_fill(struct kg_conversation *conversation);

/* Another empty conversation with the model, the options and the kind of drafts of `other`, whose buffers of a forward
 * pass it shares (kg_lm_session_carve_beside). It needs no kg_conversation_fill. */
void kg_conversation_carve_beside(struct kg_conversation *conversation, struct kg_conversation *other,
                                  struct kg_arena *arena);

/* Forgets the whole conversation. */
void kg_conversation_reset(struct kg_conversation *conversation);

/* A text as tokens: `n` of them, the first `room` at `tokens`. */
struct kg_said_tokens {
    uint32_t *tokens;
    size_t room;
    uint32_t n;
    uint32_t n_bos; /* 1: the first one is a BOS that was put there */
};

/* The fragments as tokens; BOS before them if `bos` wants it and they have none. Empty texts are refused. */
enum kg_status kg_lm_encode(struct kg_said_tokens *said, const struct kg_lm_loaded *loaded,
                            const struct kg_fragment *fragments, size_t n_fragments, bool bos, struct kg_arena *scratch,
                            struct kg_error *error);

/* A whole chat that is told at once, up to the request for a reply. It begins with a message of the user. A reply with
 * calls follows a message or results, and one result or more follow it; a reply without calls is followed by a message.
 * The last one is a message or a result. */
enum kg_told_kind { KG_TOLD_MESSAGE, KG_TOLD_REPLY, KG_TOLD_RESULT };
struct kg_told {
    enum kg_told_kind kind;
    struct kg_text text;
    const struct kg_chat_call *calls; /* (n_calls): of a reply */
    uint32_t n_calls;
};
struct kg_told_chat {
    struct kg_text system;
    const struct kg_text *tools; /* (n_tools): as JSON */
    uint32_t n_tools;
    const struct kg_told *told; /* (n) */
    uint32_t n;
    bool plain; /* as in struct kg_request */
};

/* Such a chat as tokens. Refuses what the template cannot say. */
enum kg_status kg_lm_encode_chat(struct kg_said_tokens *said, const struct kg_lm_loaded *loaded,
                                 const struct kg_told_chat *chat, struct kg_arena *scratch, struct kg_error *error);

/* What a reply is asked for with. `scratch` is rewound. */
struct kg_ask {
    const struct kg_request *request; /* copied */
    const struct kg_sink *sinks;
    struct kg_arena *scratch; /* for the tokenizer: kg_vocab_scratch() of the longest text */
    bool batched;             /* the reply is left to kg_batch_step (kgpt/batch.h), which computes its prompt too */
};

/* Encodes a text into conversation->prompt for kg_conversation_continue. A BOS token comes first if the vocabulary
 * adds one or the text is empty. */
enum kg_status kg_conversation_encode(struct kg_conversation *conversation, struct kg_text text, uint32_t *n,
                                      struct kg_arena *scratch, struct kg_error *error);

/* The same for a request with KG_RNG_LLAMA2C: run.c's tokens, at most as many as its text of `max_tokens` tokens has
 * with BOS (0: the context that the model was trained for). The vocabulary must have them (kg_vocab_has_llama2c). */
enum kg_status kg_conversation_encode_llama2c(struct kg_conversation *conversation, struct kg_text text,
                                              uint32_t max_tokens, uint32_t *n, struct kg_arena *scratch,
                                              struct kg_error *error);

/* Begins a reply that continues the first `n` tokens at conversation->prompt, without a chat template. The longest
 * common prefix with the context stays and is not computed again; the rest of the context is discarded. With
 * KG_RNG_LLAMA2C the text of the reply is that of run.c, and max_tokens counts the tokens of the prompt too. With
 * KG_OVERFLOW_SHIFT the text may grow without an end: reply.text keeps its newest part, reply.dropped counts the
 * bytes before. */
enum kg_status kg_conversation_continue(struct kg_conversation *conversation, uint32_t n, const struct kg_ask *ask,
                                        struct kg_error *error);

/* Begins the reply to a message with the chat template. `system` matters only for the first message. Returns
 * KG_E_CONTEXT if the message does not fit; the context is unchanged then. */
enum kg_status kg_conversation_message(struct kg_conversation *conversation, struct kg_text system,
                                       struct kg_text message, const struct kg_ask *ask, struct kg_error *error);

/* The tokens with which every chat begins that has this system prompt: `n` of them at conversation->prompt. */
enum kg_status kg_conversation_encode_beginning(struct kg_conversation *conversation, struct kg_text system,
                                                uint32_t *n, struct kg_arena *scratch, struct kg_error *error);

/* Begins another reply to the last message. */
enum kg_status kg_conversation_again(struct kg_conversation *conversation, const struct kg_ask *ask,
                                     struct kg_error *error);

/* After a reply has begun: one step for each token until reply.ended, then kg_conversation_end. */
enum kg_status kg_conversation_step(struct kg_conversation *conversation, struct kg_error *error);
void kg_conversation_end(struct kg_conversation *conversation);

/* All steps and the end. */
enum kg_status kg_conversation_finish(struct kg_conversation *conversation, struct kg_error *error);

#endif
