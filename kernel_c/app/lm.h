/* The engine of an image for language models: which models there are, the one in use, and what a reply is made with. */
#ifndef KGPT_APP_LM_H
#define KGPT_APP_LM_H

#include "app/shell/commands.h"
#include "kgpt.h"
#include "kgpt/chat.h"
#include "kgpt/gguf.h"
#include "kgpt/lm.h"
#include "kgpt/lm_sampler.h"
#include "kgpt/quant.h"
#include "kgpt/stream.h"
#include "kgpt/vocab.h"
#include "kgpt/workers.h"

#define KG_MAX_MODELS 16

/* A model that can be used: embedded in the image, or brought by the loader. */
struct kg_lm_source {
    const char *place; /* "image", or the module's name */
    const void *data;  /* GGUF */
    uint64_t size;
    const void *chat; /* KGCT (kgpt/chat.h); NULL without one */
    uint64_t chat_size;
    const uint8_t *sha256; /* (32) of the file; NULL where nobody said it */
    bool interleaved;
    const struct kg_file *file, *chat_file; /* of a module: checked before it is first used; else NULL */
    uint8_t digest[32];
};

/* What a reply took. Times in microseconds. */
struct kg_lm_speed {
    uint32_t prompt_tokens; /* computed: what the context held already is not counted */
    uint32_t tokens;        /* sampled */
    uint64_t prompt_us, decode_us, first_token_us;
    uint32_t p50_us, p99_us, max_us; /* of one token */
};

struct kg_lm {
    struct kg_lm_source sources[KG_MAX_MODELS];
    uint32_t n_sources;
    uint32_t current; /* index into sources */
    bool in_use;      /* a model has been taken: kg_lm_use is then for another one */
    size_t base;      /* the arena's mark before the model in use */

    struct kg_gguf gguf;
    char arch[32];
    struct kg_vocab vocab;
    struct kg_lm_model model;
    struct kg_chat chat;
    bool has_chat;
    uint32_t end_token; /* that ends a reply of the chat too, or KG_NO_TOKEN; then end_text does, if it is not empty */
    char end_text[64];

    struct kg_quant_ops ops;
    struct kg_workers workers;
    struct kg_lm_session session;
    struct kg_lm_sampler sampler;
    struct kg_stream stream;
    uint32_t *prompt;     /* (n_ctx + 1): tokens to be fed */
    uint32_t *latency_us; /* (n_ctx): of each token of the reply */
    char *piece;          /* (vocab.longest) */
    char *reply;          /* (reply_size): the reply so far, whole characters only */
    size_t reply_size, reply_n;

    uint32_t replies;  /* in this conversation */
    uint32_t n_system; /* positions that a shift keeps: BOS and the system prompt */
    uint32_t pending;  /* a token of the last reply that was shown and is not in the context yet, or KG_NO_TOKEN */
    size_t pending_n;  /* the bytes of it that come before a stop string; 0: all */
    uint32_t ask_at;   /* where the request for the last reply stands, for templates that show old replies otherwise */
    uint32_t reply_at; /* where the last reply begins; 0: there is none, or what it replied to was forgotten */
    bool chatting;     /* commands of the chat can be typed: for hints */
    uint64_t seed;     /* of the last reply */
    struct kg_lm_speed speed;
    struct kg_lm_speed total; /* of the conversation: sums, and the largest */
};

/* The one there is. */
extern struct kg_lm kg_lm;

const char *kg_lm_system(const struct kg_lm_config *config); /* the system prompt; empty: the template's own */

/* Begins with model `index`: forgets the one before, and all that was said. */
enum kg_status kg_lm_use(struct kgpt *k, uint32_t index, struct kg_error *error);

/* One reply: computes `n` fragments (behind BOS if `bos`), then samples until the end. Tokens, text and speed go to console and channel. KG_E_STOPPED
 * after Ctrl-C: the session holds what was said until then. */
struct kg_lm_turn {
    const struct kg_fragment *fragments;
    size_t n;
    bool bos;
    bool again;           /* in place of the last reply, and without fragments */
    uint32_t ask;         /* tokens before the last fragment */
    enum kg_mode mode;    /* KG_MODE_CHAT or KG_MODE_GENERATE */
    struct kg_text asked; /* the message or the prompt, without the template's text */
    uint32_t index;       /* which reply or sample this is, for the events and for the random numbers */
};
enum kg_status kg_lm_reply(struct kgpt *k, const struct kg_lm_turn *turn, struct kg_error *error);

/* Appends tokens to the context and computes their logits. `asks` (may be NULL) is asked with `context`, as kg_lm_eval says; a model that
 * computes what is no number makes the run fail. */
enum kg_status kg_lm_compute(struct kgpt *k, const uint32_t *tokens, uint32_t n, bool (*asks)(void *), void *context,
                             struct kg_error *error);

/* Puts what a reply that was cut short has shown of its last token into the context. */
enum kg_status kg_lm_settle(struct kgpt *k, struct kg_error *error);

/* A message of the user, in the chat's template. KG_E_CONTEXT before anything is fed or forgotten if it has no room. */
enum kg_status kg_lm_chat_message(struct kgpt *k, const char *text, size_t n, struct kg_error *error);
enum kg_status kg_lm_chat_again(struct kgpt *k, struct kg_error *error); /* another reply to the last message */
void kg_lm_chat_reset(struct kgpt *k);

/* What makes room in the context, where the user is. */
void kg_lm_hint_room(const struct kgpt *k, struct kg_error *error);

/* Reads messages and commands until /quit, Ctrl-D or the end of the input. */
void kg_lm_chat_run(struct kgpt *k);

/* Prints the reply to what was typed, and what went wrong with it. */
void kg_lm_chat_answer(struct kgpt *k, const char *text, size_t n); /* `text` NULL: once more to the last message */

void kg_lm_chat_read_pasted(struct kgpt *k); /* and answers it */

extern const struct kg_commands kg_lm_chat_commands;

/* Completes the prompt `samples` times. */
enum kg_status kg_lm_generate(struct kgpt *k, const char *prompt, struct kg_error *error);

/* Texts that came as boot modules: texts.h. */
bool kg_lm_is_text(const struct kg_file *file);
uint64_t kg_lm_texts_size(const struct kgpt *k); /* bytes that encoding them takes, and composing a message of one */
uint32_t kg_lm_texts_tokens(struct kgpt *k);     /* what the context is to hold at least for them */

/* `/read`: the message that "name question" makes, in memory of the arena; false if there is none, and it is said why. */
bool kg_lm_read(struct kgpt *k, char *arguments, struct kg_text *message);

void kg_lm_bench(struct kgpt *k);

/* Takes the model that is typed: "2". `talks`: only one that has a chat template. */
void kg_lm_take_model(struct kgpt *k, const char *number, bool talks);

void kg_lm_print_speed(const struct kg_lm_speed *speed);
void kg_lm_print_model(void);
void kg_lm_print_text(const char *text, size_t n); /* in whole characters: it may be anything */
void kg_lm_print_models(const struct kgpt *k);

/* Events: docs/events.md. */
void kg_lm_event_model(struct kgpt *k);
void kg_lm_event_config(struct kgpt *k, const struct kg_lm_turn *turn, uint64_t seed);
void kg_lm_event_logprobs(struct kgpt *k, uint32_t index, uint32_t pos, uint32_t id, float logprob,
                          const struct kg_logprob *top, uint32_t n);
void kg_lm_event_fed(struct kgpt *k, uint32_t index, uint32_t pos); /* the tokens from there on */
void kg_lm_event_layer(void *k, const char *what, uint32_t layer, const float *values, size_t n);
void kg_lm_event_sample(struct kgpt *k, uint32_t index, size_t n, uint32_t tokens, const char *reason);
void kg_lm_event_speed(struct kgpt *k, uint64_t seed);
void kg_lm_event_bench(struct kgpt *k, const char *test, uint32_t tokens, const uint64_t *us, uint32_t n);

#endif
