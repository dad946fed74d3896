/* What a run is asked to do: the kernel's command line, and what `set` in the shell changes. */
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
    KG_MODE_CHAT,
    KG_MODE_BENCH,
    KG_MODE_OPEN, /* not said, and the engine of this image decides it when it knows its model */
};

extern const char *const kg_mode_names[]; /* "generate", "shell", …, NULL */

#define KG_CMDLINE_MAX 4095 /* bytes of one command line */

/* Members without a comment are rows of options.def, which says what they mean and how they begin.
 *
 * mode=train. The vocabulary is the corpus's. */
struct kg_train_config {
    struct kg_adam adam; /* the rows KG_ADAM */
#define KG_TRAIN(name, kind, values, where, otherwise, unit, help, words) KG_MEMBER(name, kind, values)
#include "kgpt/options.def"
};

/* Language models, beside the sampling options. */
struct kg_lm_config {
#define KG_LM(name, kind, values, where, otherwise, unit, help, words) KG_MEMBER(name, kind, values)
#include "kgpt/options.def"
    const char *long_system; /* a system prompt that came as a boot module, in the place of `system`; NULL: none */
    bool system_given;       /* otherwise the system prompt is the template's own */
    uint32_t n_stops;        /* in `stop` */
};

#define KG_KV_AUTO 3u /* halves; of a microgpt singles, as in an image of its own */

enum kg_think {
    KG_THINK_ON,
    KG_THINK_OFF,
};

struct kg_config {
#define KG_RUN(name, kind, values, where, otherwise, unit, help, words) KG_MEMBER(name, kind, values)
#include "kgpt/options.def"
    bool seed_random; /* draw the seed from the platform's entropy */
    struct kg_sampling sampling;
    struct kg_train_config train;
    struct kg_lm_config lm;
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
