/* The engine of an image for language models: which models there are, the one in use, and what a reply is made with. */
#ifndef KGPT_APP_LM_H
#define KGPT_APP_LM_H

#include "app/shell/commands.h"
#include "kgpt.h"
#include "kgpt/conversation.h"
#include "kgpt/quant.h"
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

/* k->lm. */
struct kg_lm {
    struct kg_lm_source sources[KG_MAX_MODELS];
    uint32_t n_sources;
    uint32_t current; /* index into sources */
    bool in_use;      /* a model has been taken: kg_lm_use is then for another one */
    size_t base;      /* the arena's mark before the model in use */
    struct kg_quant_ops ops;
    struct kg_workers workers;
    struct kg_lm_loaded loaded;
    struct kg_conversation conversation; /* the one that console, shell and chat talk with */
    bool chatting;                       /* commands of the chat can be typed: for hints */
};

const char *kg_lm_system(const struct kg_lm_config *config); /* the system prompt; empty: the template's own */

/* Begins with model `index`: forgets the one before, and all that was said. */
enum kg_status kg_lm_use(struct kgpt *k, uint32_t index, struct kg_error *error);

/* A reply that console and channel are told of: chat/lm_reply.c. */
struct kg_lm_turn {
    struct kgpt *k;
    enum kg_mode mode;    /* KG_MODE_CHAT or KG_MODE_GENERATE */
    struct kg_text asked; /* the message or the prompt, without the template's text */
    uint32_t turning;     /* of what turns while the prompt is read */
    struct kg_request request;
    struct kg_sink console, channel;
    struct kg_ask ask; /* for kg_conversation_… */
};
void kg_lm_turn_prepare(struct kg_lm_turn *turn, struct kgpt *k, enum kg_mode mode, struct kg_text asked);

/* `begun` is the status of its beginning: the reply to its end, or what went wrong, with a hint. A model that computes what is no number makes
 * the run fail. KG_E_STOPPED after Ctrl-C: the session holds what was said until then. */
enum kg_status kg_lm_turn_finish(struct kg_lm_turn *turn, enum kg_status begun, struct kg_error *error);

/* A message of the user, in the chat's template. KG_E_CONTEXT before anything is fed or forgotten if it has no room. */
enum kg_status kg_lm_chat_message(struct kgpt *k, const char *text, size_t n, struct kg_error *error);
enum kg_status kg_lm_chat_again(struct kgpt *k, struct kg_error *error); /* another reply to the last message */

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

void kg_lm_print_speed(const struct kgpt *k, const struct kg_speed *speed);
void kg_lm_print_model(const struct kgpt *k);
void kg_lm_print_text(const char *text, size_t n); /* in whole characters: it may be anything */
void kg_lm_print_models(const struct kgpt *k);

/* Events: docs/events.md. */
void kg_lm_event_model(struct kgpt *k);
void kg_lm_event_bench(struct kgpt *k, const char *test, uint32_t tokens, const uint64_t *us, uint32_t n);

/* The machine channel, as the sink of a turn. */
struct kg_sink kg_lm_event_sink(struct kg_lm_turn *turn);

#endif
