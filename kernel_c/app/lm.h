/* The engine of a kernel for language models: the models that it has, the one in use, and the conversation of the
 * console. */
#ifndef KGPT_APP_LM_H
#define KGPT_APP_LM_H

#include "app/shell/commands.h"
#include "kgpt.h"
#include "kgpt/batch.h"
#include "kgpt/conversation.h"
#include "kgpt/quant.h"
#include "kgpt/workers.h"

#define KG_MAX_MODELS ((int)KG_MODELS_MOST)

/* A model that can be used: embedded in the kernel, or passed by the loader. */
struct kg_lm_source {
    const char *place; /* "image", or the module's name */
    const void *data;  /* GGUF */
    uint64_t size;
    const void *chat; /* KGCT (kgpt/chat.h); NULL without one */
    uint64_t chat_size;
    const void *prefill; /* KGPF (kgpt/prefill.h); NULL without one */
    uint64_t prefill_size;
    const uint8_t *sha256; /* (32) of the file; NULL: unknown */
    bool interleaved;
    const struct kg_file *file, *chat_file, *prefill_file; /* of a module: checked before it is first used; else NULL */
    uint8_t digest[32];
    size_t region, region_size; /* of a model that was loaded: offset in the arena's memory, bytes; 0: it has none */
};

/* The grammar that replies stay within: lm_grammar.c. */
struct kg_lm_grammar {
    bool open;                   /* the memory for grammars is taken */
    bool active;                 /* a grammar is set */
    uint32_t n;                  /* conversations */
    struct kg_token_order order; /* of the model in use */
    struct kg_matcher *matchers; /* (n) */
    struct kg_arena memory;      /* of the grammar */
    struct kg_grammar grammar;
    struct kg_text text;                                  /* what it was made of */
    char word[sizeof((struct kg_lm_config *)0)->grammar]; /* the setting that it was made for */
};

/* k->lm: all that changes in a kernel for language models. */
struct kg_lm {
    uint32_t n_sources;
    uint32_t current; /* index into sources */
    bool in_use;      /* a model is open, and kg_lm_use replaces it */
    size_t base;      /* arena.used before the model in use */
    size_t arena_end; /* arena.size without regions of models that were loaded */
    struct kg_workers workers;
    struct kg_lm_loaded loaded;
    struct kg_lm_sample *samples; /* (batch.n): chat/lm_together.c */
    struct kg_server *server;     /* with mode=serve: app/server */
    bool keeps_settings;          /* settings=keep, and they were read */
    uint32_t settings_crc;        /* of the words that are kept */
    bool log_begun;               /* the transcript names the model */
    uint64_t log_end;             /* byte of the log, of the sector with its end; 0: not known */
    bool chatting;                /* commands of the chat can be typed: for hints */
    struct kg_lm_source sources[KG_MAX_MODELS];
    struct kg_quant_ops ops;
    struct kg_lm_source draft_source; /* the boot module with kind=draft; data NULL: there is none */
    struct kg_lm_loaded draft;
    struct kg_speculation_options speculation;
    struct kg_conversation conversation; /* of the console: shell and chat */
    struct kg_batch batch;               /* of several texts at once, the console's conversation first; or of none */
    struct kg_lm_grammar grammar;
};

/* Opens model `index` in place of the one in use, and begins a new conversation. */
enum kg_status kg_lm_use(struct kgpt *k, uint32_t index, struct kg_error *error);

/* lm_source.c: finds the model in the kernel, and those that came as boot modules; opens a source: header, vocabulary,
 * weights and template. */
enum kg_status kg_lm_add_embedded(struct kgpt *k, struct kg_error *error);
enum kg_status kg_lm_add_modules(struct kgpt *k, struct kg_error *error);
const struct kg_file *
kg_lm_first_module(const struct kg_platform_info *info); /* the first model; NULL: there is none */
enum kg_status kg_lm_open_source(struct kgpt *k, struct kg_lm_source *source, struct kg_lm_loaded *loaded,
                                 struct kg_error *error);

/* disks/: models from disks (docs/disks.md), and from servers (docs/network.md). */

/* Reads a GGUF file, given by number or name as `models` lists it, or by its address on a server, checks it, and makes
 * it the last model. Nothing changes if that fails. */
enum kg_status kg_lm_load_file(struct kgpt *k, const char *name, struct kg_error *error);

/* Gives back the memory of a model that was loaded and is not in use. Later ones get the numbers before theirs. */
enum kg_status kg_lm_unload(struct kgpt *k, uint32_t index, struct kg_error *error);

uint64_t kg_lm_room(const struct kgpt *k); /* bytes of the largest model that could be loaded now */
void kg_lm_print_disks(struct kgpt *k);    /* the GGUF files on disks */

/* lm_draft.c: fills lm->speculation for the model in use, and opens the draft model if drafts come from it. Refuses a
 * draft model with another vocabulary, and speculate=draft without one. */
enum kg_status kg_lm_choose_speculation(struct kgpt *k, struct kg_error *error);

/* lm_prefill.c: opens the prefill of the model that was opened, and says whether chats will use it. */
enum kg_status kg_lm_open_prefill(struct kgpt *k, const struct kg_lm_source *source, struct kg_error *error);
/* The hashes of a source's model and chat template. False: that of the model is not known. */
uint32_t kg_lm_hash_features(const struct kgpt *k); /* enum kg_cpu_feature that hashes may use */
bool kg_lm_origin(const struct kgpt *k, const struct kg_lm_source *source, struct kg_prefill_origin *origin);

void kg_lm_report_prefill(const struct kgpt *k);

/* mode=prefill: computes how every chat begins, and sends it on the machine channel. KG_E_STOPPED after Ctrl-C. */
enum kg_status kg_lm_prefill(struct kgpt *k, struct kg_error *error);

/* lm_grammar.c: reads the grammar that the settings name, for the model in use. On failure no grammar is active.
 * kg_lm_grammar_count adds its memory. kg_lm_grammar_changed, after `set`: says why a grammar is refused, and keeps the
 * one before. */
enum kg_status kg_lm_grammar_use(struct kgpt *k, struct kg_error *error);
void kg_lm_grammar_count(const struct kgpt *k, struct kg_arena *counted);
void kg_lm_grammar_changed(struct kgpt *k);

/* lm_llama2c.c: with rng=llama2c the defaults are those of llama2.c's run.c. kg_lm_presume reads the command line again
 * with these. kg_lm_check_rng refuses a model or settings that run.c cannot have. */
enum kg_status kg_lm_presume(struct kgpt *k, struct kg_error *error);
enum kg_status kg_lm_check_rng(const struct kgpt *k, struct kg_error *error);

/* A reply with its two sinks, the console and the machine channel: chat/lm_reply.c. */
struct kg_lm_turn {
    struct kgpt *k;
    enum kg_mode mode;    /* KG_MODE_CHAT or KG_MODE_GENERATE */
    struct kg_text asked; /* the message or the prompt, without the template's text */
    uint32_t turning;     /* picture of the spinner while the prompt is read */
    struct kg_request request;
    struct kg_sink console, channel;
    struct kg_ask ask; /* for kg_conversation_… */
};
void kg_lm_turn_prepare(struct kg_lm_turn *turn, struct kgpt *k, enum kg_mode mode, struct kg_text asked);

/* Runs a reply to its end. `begun` is the status of its beginning; a failure gets a hint. KG_E_NUMBERS makes the run
 * fail. KG_E_STOPPED after Ctrl-C: the context keeps the reply up to there. */
enum kg_status kg_lm_turn_finish(struct kg_lm_turn *turn, enum kg_status begun, struct kg_error *error);

/* Refuses texts that the template would change in a way that its pieces cannot express. */
enum kg_status kg_lm_check_said(const struct kgpt *k, struct kg_text message, struct kg_error *error);

/* A message of the user, in the chat's template. KG_E_CONTEXT if it has no room: then nothing is computed or
 * forgotten. */
enum kg_status kg_lm_chat_message(struct kgpt *k, const char *text, size_t n, struct kg_error *error);
enum kg_status kg_lm_chat_again(struct kgpt *k, struct kg_error *error); /* another reply to the last message */

/* Reads messages and commands until /quit, Ctrl-D or the end of the input. */
void kg_lm_chat_run(struct kgpt *k);

/* Prints the reply to a message, or why there is none. */
void kg_lm_chat_answer(struct kgpt *k, const char *text, size_t n); /* `text` NULL: another reply to the last message */

void kg_lm_chat_read_pasted(struct kgpt *k); /* reads lines until /end, and answers them as one message */

/* chat/lm_settings.c, for settings=keep: takes the kept settings; keeps those that were changed. */
void kg_lm_settings_begin(struct kgpt *k);
void kg_lm_settings_changed(struct kgpt *k);

/* chat/lm_log.c: with log=on appends what was asked, and the reply, to the transcript. */
void kg_lm_log_turn(struct kgpt *k, const struct kg_lm_turn *turn);

extern const struct kg_command kg_lm_memory_commands[]; /* chat/lm_memory.c; a row without a name ends them */
extern const struct kg_commands kg_lm_chat_commands;    /* typed behind "/" */

/* Completes the prompt `samples` times. */
enum kg_status kg_lm_generate(struct kgpt *k, const char *prompt, struct kg_error *error);

/* Says that the text of the request has no end, if it has none. `n_prompt`: bytes. */
void kg_lm_announce_sliding_text(const struct kgpt *k, const struct kg_request *request, size_t n_prompt);

/* Memory for `n` texts at once, of the model in use and beside the console's conversation: lm->batch. */
void kg_lm_together_carve(struct kg_lm *lm, uint32_t n, struct kg_arena *arena);

/* Makes k->config.samples texts, lm->batch.n of them at once. The first `n` tokens of the console's conversation are
 * the prompt, `text`. Texts and events of ends come in the order of the samples, as without slots. */
enum kg_status kg_lm_generate_together(struct kgpt *k, struct kg_text text, uint32_t n, struct kg_error *error);

/* Texts that came as boot modules: texts.h. */
bool kg_lm_is_text(const struct kg_file *file);
void kg_lm_texts_count(const struct kgpt *k,
                       struct kg_arena *counted); /* for encoding them, and for a message made of one */
const struct kg_file *kg_lm_find_file(const struct kgpt *k, const char *name); /* a file for /read; NULL: none */
uint32_t kg_lm_texts_tokens(struct kgpt *k); /* tokens of the longest ones, which the context must hold */

/* `/read name question`: the message that file and question make, in memory of the arena. False, after printing why,
 * if there is no message. */
bool kg_lm_read(struct kgpt *k, char *arguments, struct kg_text *message);

void kg_lm_bench(struct kgpt *k);

/* `n` tokens in the conversation's prompt. Any tokens will do: they all take the same work. */
void kg_lm_fill_prompt(struct kg_conversation *conversation, uint32_t n);

/* jitter/: decodes config.lm.times tokens behind config.lm.depth others, and reports their times. KG_E_STOPPED after
 * Ctrl-C. */
enum kg_status kg_lm_jitter(struct kgpt *k, struct kg_error *error);

/* explain/: a text from the prompt on, and each number on the way to it, on the machine channel. KG_E_STOPPED after
 * Ctrl-C. */
enum kg_status kg_lm_explain(struct kgpt *k, struct kg_error *error);

/* The slot (ops/quant/slots.c) of the type that most bytes of the model's matrices have. */
const char *kg_lm_slot(const struct kg_lm *lm);
void kg_lm_print_slots(const struct kg_lm *lm); /* of each type: "Q4_1 by avx2, Q8_0 by avx2", and ends the line */

/* Scores the prompt, which is a text of at least one window. KG_E_STOPPED after Ctrl-C. */
enum kg_status kg_lm_perplexity(struct kgpt *k, struct kg_error *error);

void kg_lm_print_speed(const struct kg_conversation *conversation, const struct kg_speed *speed);
void kg_lm_print_model(const struct kgpt *k);
void kg_lm_print_text(const char *text, size_t n); /* any bytes, printed as whole characters */
void kg_lm_print_models(const struct kgpt *k);

/* Events: docs/events.md. */
void kg_lm_event_model(struct kgpt *k);

/* The machine channel, as the sink of a turn. */
struct kg_sink kg_lm_event_sink(struct kg_lm_turn *turn);

#endif
