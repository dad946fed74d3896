/* What a run is asked to do: the kernel's command line, and what `set` in the shell changes. */
#ifndef KGPT_CONFIG_H
#define KGPT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/error.h"
#include "kgpt/lm_sampler.h"
#include "kgpt/ops.h"
#include "kgpt/sampler.h"
#include "kgpt/train_shape.h"

enum kg_mode {
    KG_MODE_GENERATE,
    KG_MODE_SHELL,
    KG_MODE_SELFTEST,
    KG_MODE_TRAIN,
    KG_MODE_CHAT,
    KG_MODE_BENCH,
    KG_MODE_OPEN, /* not said, and the engine of this image decides it when it knows its model */
};

extern const char *const kg_mode_names[]; /* "generate", "shell", "selftest", "train", "chat", "bench", NULL */

#define KG_CMDLINE_MAX 4095 /* bytes of one command line */

/* mode=train. The vocabulary is the corpus's. */
struct kg_train_config {
    struct kg_adam adam; /* adam.steps: how many steps until the learning rate is 0 */
    uint32_t until;      /* stop after this step; 0: after adam.steps */
    uint32_t batch;      /* documents a step (the exact method takes one) */
    uint32_t chunks;     /* into which a batch is cut for several CPUs; 0: one for every 16 documents */
    uint32_t n_layer, n_embd, n_head, block_size;
    double val_fraction;       /* of the documents, kept back for validation */
    uint32_t eval_every;       /* steps; 0: only at the end */
    uint32_t checkpoint_every; /* steps; 0: only at the end */
    bool text;                 /* the corpus is one running text, cut into documents of block_size characters */
    bool exact;                /* in f64, as microgpt computes */
};

#define KG_MAX_STOPS 4
#define KG_STOP_MAX 64

/* Language models. temperature, top_k, top_p and min_p are those of struct kg_config. */
struct kg_lm_config {
    char system[2048];       /* the system prompt; empty: the template's own */
    const char *long_system; /* one that came as a boot module, in its place; NULL: none */
    bool system_given;
    uint32_t ctx;         /* positions; 0: as many as fit, at most 4096 */
    uint32_t n_batch;     /* tokens of a prompt that are computed at once */
    uint32_t kv;          /* enum kg_kv_type, or KG_KV_AUTO */
    uint32_t on_overflow; /* enum kg_overflow */
    uint32_t think;       /* enum kg_think: for templates that can do without thinking aloud */
    uint32_t stats;       /* 1: a line behind each reply says what it took */
    uint32_t logprobs;    /* tell this many of the likeliest tokens, with each token that is taken; 0: none */
    uint32_t model;       /* which one to begin with, counted from 1 */
    uint32_t modules;     /* boot modules that the loader was told to bring, at least */
    bool layers;          /* emit `layer` events */
    float typical_p, repeat_penalty, frequency_penalty, presence_penalty;
    uint32_t repeat_last_n;
    struct kg_logit_bias biases[KG_MAX_BIASES];
    uint32_t n_biases;
    char stops[KG_MAX_STOPS][KG_STOP_MAX]; /* a reply ends before one of these */
    uint32_t n_stops;
    uint32_t bench_pp, bench_tg, bench_repeat; /* mode=bench: tokens of the prompt, tokens decoded, how often */
};

#define KG_KV_AUTO 3u /* halves; of a microgpt singles, as in an image of its own */

enum kg_think {
    KG_THINK_ON,
    KG_THINK_OFF,
};

enum kg_overflow {
    KG_OVERFLOW_ERROR,
    KG_OVERFLOW_SHIFT,
};

struct kg_config {
    uint32_t mode; /* enum kg_mode */
    char prompt[KG_CMDLINE_MAX + 1];
    uint32_t samples;
    uint32_t max_tokens; /* 0: to the end of the context */
    uint64_t seed;
    bool seed_random; /* draw the seed from the platform's entropy */
    struct kg_sampling sampling;
    uint32_t cpumask; /* enum kg_isa: the highest to use */
    uint32_t cpus;    /* to use; 0: one, or with mode=train all there are */
    uint32_t screen;  /* enum kg_screen_use */
    uint32_t output;  /* enum kg_output */
    uint32_t columns; /* of the terminal on the serial line; 0: not known */
    uint32_t scale;   /* pixels of a dot of the screen's font; 0: by its resolution */
    bool exit;        /* end after the mode instead of entering the shell */
    bool logits;      /* emit `logits` events */
    struct kg_train_config train;
    struct kg_lm_config lm;
    char test[64];  /* a test or a suite; empty: all */
    char clock[16]; /* what tells the clock's frequency; empty: whoever is there */
    char fault[16]; /* break this on purpose; empty: nothing */
};

void kg_config_defaults(struct kg_config *config);

/* Reads words `key`, `key=value` or `key="value"` (with \" \\ \n \t) on top of what config already says. */
enum kg_status kg_cmdline_parse(struct kg_config *config, const char *text, struct kg_error *error);

/* One key, as the shell's `set` does it: refuses those that only make sense at boot. */
enum kg_status kg_config_set(struct kg_config *config, const char *key, const char *value, struct kg_error *error);

/* Words as kg_cmdline_parse reads them, as the shell's `train` takes them: refuses those that only make sense at boot. */
enum kg_status kg_config_train_words(struct kg_config *config, const char *text, struct kg_error *error);

/* For `set` without arguments: key number i that can be set and its value as text; NULL past the last one. */
const char *kg_config_describe(const struct kg_config *config, uint32_t i, char *value, size_t size);

#endif
