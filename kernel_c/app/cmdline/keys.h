/* Keys of the command line: one table for every image (cmdline.c), one for what the engine of this image adds. */
#ifndef KGPT_APP_KEYS_H
#define KGPT_APP_KEYS_H

#include "kgpt/config.h"

enum kg_key_kind {
    KIND_FLAG,    /* bool, no value */
    KIND_COUNT,   /* uint32_t from `least` to `most` */
    KIND_SEED,    /* uint64_t, or "random" */
    KIND_DECIMAL, /* float from `least` to `most`, without `least` itself if `above` */
    KIND_DOUBLE,  /* double from `least` to `most` */
    KIND_CHOICE,  /* uint32_t: the index into `choices` */
    KIND_NAME,    /* char[room]: one of `choices` if there are any */
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
    const char *expects; /* the hint */
};

/* There are some forty of them in every image: as small as it can be. */
struct kg_key {
    const char *name;
    const char *const *choices;
    const struct kg_own_key *own;
    int32_t least;
    uint32_t most;
    uint16_t offset; /* into struct kg_config */
    uint16_t room;
    uint8_t kind; /* enum kg_key_kind */
    bool above;
    uint8_t not_in; /* enum kg_key_place, or'd */
};

#define AT(field) offsetof(struct kg_config, field)
#define ROOM(field) sizeof(((struct kg_config *)0)->field)

extern const struct kg_key kg_engine_keys[]; /* none: kg_n_engine_keys is 0 */
extern const size_t kg_n_engine_keys;

#endif
