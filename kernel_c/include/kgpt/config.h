/* The values of all options: the command line sets them, and later `set` and `train` in the shell. */
#ifndef KGPT_CONFIG_H
#define KGPT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/error.h"
#include "kgpt/ops.h"
#include "kgpt/options.h"
#include "kgpt/request.h"
#include "kgpt/train_shape.h"

enum kg_mode {
    KG_MODE_GENERATE,
    KG_MODE_SHELL,
    KG_MODE_SELFTEST,
    KG_MODE_TRAIN,
    KG_MODE_CHAT, /* from here on: of language models only */
    KG_MODE_BENCH,
    KG_MODE_PERPLEXITY,
    KG_MODE_JITTER,
    KG_MODE_PREFILL,
    KG_MODE_SERVE,
    KG_MODE_EXPLAIN,
    KG_MODE_OPEN, /* not given: the engine chooses a mode for its model */
};

extern const char *const kg_mode_names[]; /* "generate", "shell", …, NULL */

#define KG_CMDLINE_MAX 4095 /* bytes of one command line */

/* Members without a comment are rows of options.def, which says their meaning and default.
 *
 * Options of mode=train. The vocabulary comes from the corpus. */
struct kg_train_config {
    struct kg_adam adam; /* the rows KG_ADAM of options.def */
#define KG_TRAIN(name, kind, values, where, otherwise, unit, help, words) KG_MEMBER(name, kind, values)
#include "kgpt/options.def"
};

#define KG_MODELS_MOST 16u /* models in memory at once */

#define KG_NO_BLOCK 3u /* a microgpt, on documents; below it enum kg_dense_kind */

/* Options of a training on a running text, known to kernels that train. */
struct kg_block_config {
#define KG_BLOCK(name, kind, values, where, otherwise, unit, help, words) KG_MEMBER(name, kind, values)
#include "kgpt/options.def"
};

/* Options of language models, except the sampling options. */
struct kg_lm_config {
#define KG_LM(name, kind, values, where, otherwise, unit, help, words) KG_MEMBER(name, kind, values)
#include "kgpt/options.def"
    const char *long_system;  /* a system prompt from a boot module, which replaces `system`; NULL: none */
    const char *long_grammar; /* a grammar from a boot module, for an empty `grammar`; NULL: none */
    const char *key_text;     /* the API key from a boot module, which replaces `key`; NULL: none */
    bool system_given;        /* false: the system prompt of the image, or else the template's own */
    const char *image_system; /* the system prompt of the prefill that the model in use has; NULL: none */
    uint32_t n_stops;         /* in `stop` */
};

#define KG_OVERFLOW_AUTO 2u  /* shift for a running text without an end (kg_lm_turn_prepare), else error */
#define KG_KV_AUTO 3u        /* f16; f32 for a microgpt, as in its own kernel, and for rng=llama2c, as in run.c */
#define KG_SPECULATE_AUTO 3u /* draft if a draft model came as a boot module, else off */

enum kg_log {
    KG_LOG_OFF,
    KG_LOG_ON,
};

enum kg_settings {
    KG_SETTINGS_RUN,
    KG_SETTINGS_KEEP,
};

enum kg_think {
    KG_THINK_ON,
    KG_THINK_OFF,
};

struct kg_config {
#define KG_RUN(name, kind, values, where, otherwise, unit, help, words) KG_MEMBER(name, kind, values)
#include "kgpt/options.def"
    bool seed_random;      /* take the seed from the platform's entropy source */
    bool max_tokens_given; /* in words: `max_tokens=0` asks for a text without an end */
    struct kg_sampling sampling;
    struct kg_train_config train;
    struct kg_block_config block;
    struct kg_lm_config lm;
};

void kg_config_defaults(struct kg_config *config);

/* Reads words `key`, `key=value` or `key="value"` (with \" \\ \n \t) into `config`; other options keep their values. */
enum kg_status kg_cmdline_parse(struct kg_config *config, const char *text, struct kg_error *error);

/* Sets one option, for `set` in the shell. Refuses options that `set` cannot change. */
enum kg_status kg_config_set(struct kg_config *config, const char *key, const char *value, struct kg_error *error);

/* Reads words like kg_cmdline_parse, for `train` in the shell. Refuses options that `train` does not take. */
enum kg_status kg_config_train_words(struct kg_config *config, const char *text, struct kg_error *error);

/* The name of the i-th option that `set` can change, and its value as text; NULL after the last one. */
const char *kg_config_describe(const struct kg_config *config, uint32_t i, char *value, size_t size);

#endif
