/* The reply loop of both engines. kg_reply_begin computes the prompt. Each kg_reply_step samples one token and
 * computes it. kg_reply_end tells the sinks that the reply is complete. All state is in struct kg_reply, so steps of
 * several replies can interleave in any order. */
#ifndef KGPT_REPLY_H
#define KGPT_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/error.h"
#include "kgpt/random.h"
#include "kgpt/request.h"
#include "kgpt/sampler.h"
#include "kgpt/sink.h"
#include "kgpt/token.h"

enum kg_reason {
    KG_REASON_EOS, /* an end token was sampled */
    KG_REASON_MAX_TOKENS,
    KG_REASON_CONTEXT,
    KG_REASON_STOPPED, /* a sink asked for the end */
    KG_REASON_STOP,    /* a stop string is complete */
    KG_REASON_NONFINITE,
    KG_REASON_GRAMMAR, /* no token of the vocabulary goes on within the grammar, or ends the reply there */
};

extern const char *const
    kg_reason_names[]; /* "eos", "max_tokens", "context", "stopped", "stop", "nonfinite", "grammar" */

/* The context of an engine: the tokens that it has computed, and the logits of the last one. */
struct kg_past {
    const uint32_t *tokens; /* (n), oldest first; NULL: the engine does not keep them */
    uint32_t n, n_ctx;
    const float *logits; /* (n_vocab) */
    uint32_t n_vocab;
};

/* The interface of an engine to the reply loop. `engine` is the first argument of each function. */
struct kg_forward {
    uint32_t at_once; /* tokens of the prompt for one call of eval; the sinks get logits after each call */
    void (*past)(void *engine, struct kg_past *past);
    /* Appends tokens, and leaves the logits of the last. Calls `asks` (may be NULL) regularly with `context`; true
     * ends eval with KG_E_STOPPED. KG_E_NUMBERS if the logits are not finite. */
    enum kg_status (*eval)(void *engine, const uint32_t *tokens, uint32_t n, bool (*asks)(void *), void *context,
                           struct kg_error *error);
    /* Checks that the context has room for `more` tokens; KG_E_CONTEXT if not. An engine that may forget tokens
     * instead sets *discarded to their number, and is called again. */
    enum kg_status (*make_room)(void *engine, uint32_t more, uint32_t *discarded, struct kg_error *error);
    /* Writes the text that can be shown after this token to `out`, and returns its bytes. KG_NO_TOKEN: the reply has
     * ended, and the rest of its text is wanted. */
    size_t (*spell)(void *engine, uint32_t token, char *out);
    /* True if the reply ends with this token, the last one that was spelt; *reason is then set. */
    bool (*ends)(void *engine, uint32_t token, enum kg_reason *reason);
};

/* What a reply took: the loop counts tokens, and a conversation (kgpt/conversation.h) takes the times, in
 * microseconds. */
struct kg_speed {
    uint32_t prompt_tokens;     /* computed tokens, without those reused from the context */
    uint32_t tokens;            /* sampled */
    uint64_t computed;          /* after the prompt: those sampled, and those that a shift computed again */
    uint64_t passes;            /* after the prompt */
    uint64_t drafted, accepted; /* tokens computed in advance, and those that were then sampled (kgpt/speculation.h) */
    uint64_t prompt_us, decode_us, first_token_us;
    uint32_t p50_us, p99_us, max_us; /* latency of one token */
};

struct kg_reply {
    /* The caller sets these before kg_reply_begin. */
    const struct kg_forward *forward;
    void *engine;
    const struct kg_request *request;
    const struct kg_sink *sinks;
    struct kg_sampler *sampler;
    char *text;      /* the text; the reply is appended to its first `n` bytes */
    size_t n, most;  /* the reply ends when `n` is more than `most`, unless the text slides */
    bool slides;     /* when `n` is more than `most`, the older half of the text is dropped: a text without an end */
    uint32_t n_held; /* tokens of the prompt before those of kg_reply_begin: the context holds them already */
    bool whole;      /* nothing interrupts the computation of the prompt */

    /* Results for the sinks. */
    uint64_t dropped; /* bytes of the text that stood before `text` */
    struct kg_past past;
    uint32_t n_prompt, n_read; /* tokens of the prompt to compute, and how many of them are computed */
    struct kg_speed speed;
    enum kg_reason reason;

    uint32_t before;  /* tokens in the context before the prompt */
    uint32_t last;    /* the token that was sampled last */
    uint32_t pending; /* a token that was sampled and shown, and is not computed yet; or KG_NO_TOKEN */
    bool ended;
    struct kg_random random;
    uint64_t begun, first_token; /* plat_ticks() when the prompt was computed, and when the first token was sampled */
};

/* A finished text, for the event `sample`. */
struct kg_document {
    uint32_t index;
    const char *text; /* `n` bytes; for a microgpt it includes the prompt */
    size_t n;
    uint32_t tokens; /* sampled */
    enum kg_reason reason;
};

/* Computes the prompt. On failure no reply has begun; part of the prompt may be in the context. */
enum kg_status kg_reply_begin(struct kg_reply *reply, const uint32_t *tokens, uint32_t n, struct kg_error *error);

/* Samples one token, tells the sinks, and computes it unless the reply ends; then it sets reply->ended.
 * KG_E_STOPPED, KG_E_CONTEXT and KG_E_NUMBERS also end the reply and set reply->reason. */
enum kg_status kg_reply_step(struct kg_reply *reply, struct kg_error *error);

/* Parts of the two, for a caller that computes tokens of several replies in one forward pass (kgpt/batch.h).
 *
 * kg_reply_begin is kg_reply_open; the tokens are computed; kg_reply_read, and kg_reply_start. Between layers of the
 * prompt kg_reply_reading_stops (a struct kg_reply) tells the sinks the progress; true: one of them wants the end. */
enum kg_status kg_reply_open(struct kg_reply *reply, uint32_t n, struct kg_error *error);
bool kg_reply_reading_stops(void *reply);
void kg_reply_read(struct kg_reply *reply, uint32_t n, uint32_t last); /* the first `n` up to the token `last` */
void kg_reply_start(struct kg_reply *reply);

/* kg_reply_step is kg_reply_sample, which returns false if the reply has ended; kg_reply_feed, which makes room for
 * reply->last in the context; the token is computed; kg_reply_computed with the status of that. A status that is not
 * KG_OK ends the reply. */
bool kg_reply_sample(struct kg_reply *reply);
enum kg_status kg_reply_feed(struct kg_reply *reply, struct kg_error *error);
enum kg_status kg_reply_computed(struct kg_reply *reply, enum kg_status status);

/* True if a sink wants the end of the reply. */
bool kg_reply_stops(const struct kg_reply *reply);

/* Shows the rest of the text; then tells the sinks that the reply has ended. */
void kg_reply_close_text(struct kg_reply *reply);
void kg_reply_end(struct kg_reply *reply);

struct kg_document kg_reply_document(const struct kg_reply *reply);

/* Ensures room for `more` tokens in the context; otherwise KG_E_CONTEXT. */
enum kg_status kg_reply_make_room(struct kg_reply *reply, uint32_t more, struct kg_error *error);

/* Converts ticks to microseconds; 0 if the frequency is unknown. */
uint64_t kg_ticks_to_us(uint64_t ticks, uint64_t hz);

#endif
