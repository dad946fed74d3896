/* Keys of the command line, made of the rows of kgpt/options.def: one table for every kernel (options.c), one for what
 * the engine of this kernel adds (lm_options.c; a microgpt adds none), one for kernels that train (block_options.c). */
#ifndef KGPT_APP_KEYS_H
#define KGPT_APP_KEYS_H

#include "kgpt/config.h"

enum kg_key_kind {
    KIND_FLAG,    /* bool, no value */
    KIND_COUNT,   /* uint32_t from `least` to `most` */
    KIND_SEED,    /* uint64_t, or "random" */
    KIND_DECIMAL, /* float from `least` to `most`, one of them perhaps excluded */
    KIND_DOUBLE,  /* double, likewise */
    KIND_CHOICE,  /* uint32_t: the index into `choices` */
    KIND_TEXT,    /* char[room] */
    KIND_NAME,    /* char[room]: one of `choices` */
    KIND_OWN,     /* as `own` does it */
};

/* Where keys are written. */
enum kg_key_place {
    AT_BOOT = 1,  /* on the command line */
    IN_SET = 2,   /* in the shell, after `set` */
    IN_TRAIN = 4, /* in the shell, after `train` */
};

struct kg_own_key {
    bool (*set)(struct kg_config *config, const char *value);
    void (*describe)(const struct kg_config *config, char *out, size_t size);
    const char *expects; /* the hint that says which values it accepts */
};

/* Every kernel has some forty keys, so a key takes 32 bytes. */
struct kg_key {
    const char *name;
    union {
        const char *const *choices; /* NULL last */
        const struct kg_own_key *own;
        struct {
            int32_t least;
            uint32_t most;
        };
    };
    uint16_t offset; /* into struct kg_config */
    uint16_t room;
    uint8_t kind;      /* enum kg_key_kind */
    bool above, below; /* without `least`, without `most` itself */
    uint8_t not_in;    /* enum kg_key_place, or'd */
};

/* KG_OPTION(name, holder.name, kind, values, where): the key that a row of options.def makes. */
#define KG_OPTION(key, place, key_kind, values, where) \
    {.name = #key, .not_in = KG_NOT_IN_##where, KG_KIND_##key_kind(key, place), KG_VALUES_##values},

#define KG_KIND_AT(key_kind, place) .kind = KIND_##key_kind, .offset = offsetof(struct kg_config, place)
#define KG_KIND_OWN(key, place) .kind = KIND_OWN, .offset = offsetof(struct kg_config, place), .own = &kg_own_##key
#define KG_KIND_FLAG(key, place) KG_KIND_AT(FLAG, place)
#define KG_KIND_COUNT(key, place) KG_KIND_AT(COUNT, place)
#define KG_KIND_SEED(key, place) KG_KIND_AT(SEED, place)
#define KG_KIND_DECIMAL(key, place) KG_KIND_AT(DECIMAL, place)
#define KG_KIND_DOUBLE(key, place) KG_KIND_AT(DOUBLE, place)
#define KG_KIND_CHOICE(key, place) KG_KIND_AT(CHOICE, place)
#define KG_KIND_TEXT(key, place) KG_KIND_AT(TEXT, place)
#define KG_KIND_NAME(key, place) KG_KIND_AT(NAME, place)
#define KG_KIND_SYSTEM KG_KIND_OWN
#define KG_KIND_MODEL KG_KIND_OWN
#define KG_KIND_TEXTS KG_KIND_OWN
#define KG_KIND_BIASES KG_KIND_OWN

#define KG_VALUES_ALONE
#define KG_VALUES_SEEDS
#define KG_VALUES_FROM(from, to) .least = from, .most = to
#define KG_VALUES_ABOVE(from, to) .least = from, .most = to, .above = true
#define KG_VALUES_BELOW(from, to) .least = from, .most = to, .below = true
#define KG_VALUES_ONE_OF(names) .choices = kg_##names##_names
#define KG_VALUES_NAMED(names, bytes) .choices = kg_##names##_names, .room = bytes + 1
#define KG_VALUES_BYTES(bytes) .room = bytes + 1
#define KG_VALUES_TIMES(times, bytes) .room = bytes + 1
#define KG_VALUES_EACH(times)

#define KG_NOT_IN_ALWAYS 0
#define KG_NOT_IN_SET IN_TRAIN
#define KG_NOT_IN_TRAIN IN_SET
#define KG_NOT_IN_BOOT (IN_SET | IN_TRAIN)

#define KG_NAMES(names, ...) extern const char *const kg_##names##_names[];
#define KG_LM_NAMES KG_NAMES
#define KG_BLOCK_NAMES KG_NAMES
#include "kgpt/options.def"

/* The key behind the last one has no name. */
extern const struct kg_key kg_keys[], kg_engine_keys[], kg_block_keys[];

/* Of a kernel that trains: the defaults of its keys, for kg_config_defaults. */
void kg_block_defaults(struct kg_config *config);

/* Of the engine: sets the defaults of its keys after kg_config_defaults. */
void kg_engine_defaults(struct kg_config *config);

/* Of a language model: the system prompt, which may be that of the image; empty: the template's own. */
const char *kg_lm_system(const struct kg_lm_config *config);

/* Of a language model: the settings that decide replies, as words `key=value` that end with NUL each. Floats are exact.
 * `seed` NULL: without one. Returns the bytes. */
#define KG_LM_WORDS_MAX 8192u
size_t kg_lm_words_write(const struct kg_config *config, const uint64_t *seed, char text[KG_LM_WORDS_MAX]);

/* Reads such words into `config`, with the checks of `set`. After a failure `config` is in between. */
enum kg_status kg_lm_words_read(struct kg_config *config, const char *text, size_t n, struct kg_error *error);

/* Key number i of the tables; NULL past the last one. */
const struct kg_key *kg_key_at(size_t i);

#endif
