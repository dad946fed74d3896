/* One interface for both training methods: fast (f32, batches) and exact (f64, one document a step, as microgpt). */
#ifndef KGPT_APP_TRAINER_H
#define KGPT_APP_TRAINER_H

#include "kgpt/arena.h"
#include "kgpt/config.h"
#include "kgpt/train_corpus.h"
#include "kgpt/train_shape.h"

struct kg_trainer_settings {
    const struct kg_train_config *config;
    struct kg_shape shape;
    uint64_t seed;
    uint32_t features; /* of the CPU */
    uint32_t workers;  /* processors that plat_parallel uses */
    enum kg_isa highest;
};

struct kg_trainer {
    const char *name; /* "fast" or "exact" */
    uint32_t batch;   /* documents a step */
    uint32_t workers;
    void *state;
    enum kg_status (*check)(const struct kg_trainer_settings *settings, const struct kg_corpus *corpus,
                            struct kg_error *error);
    /* `settings` were checked. The arena counts, or has room for it. */
    void (*carve)(struct kg_trainer *trainer, const struct kg_trainer_settings *settings,
                  const struct kg_corpus *corpus, struct kg_arena *arena);
    void (*draw)(struct kg_trainer *trainer, const struct kg_trainer_settings *settings); /* the first weights */
    double (*step)(struct kg_trainer *trainer);                                           /* the loss before it */
    double (*eval)(struct kg_trainer *trainer, const struct kg_corpus *corpus);
    void (*export_weights)(const struct kg_trainer *trainer, float *weights);
    uint64_t (*steps_done)(const struct kg_trainer *trainer);
    uint64_t (*state_size)(const struct kg_trainer *trainer);
    void (*save)(const struct kg_trainer *trainer, void *state);
    enum kg_status (*load)(struct kg_trainer *trainer, const void *state, uint64_t size, struct kg_error *error);
    /* Draws the next document by the training's own random numbers; returns its number of tokens without BOS.
     * NULL: documents are the engine's to draw. */
    uint32_t (*sample)(struct kg_trainer *trainer, double temperature, char *text, size_t size);
};

struct kg_trainer kg_trainer_of(const struct kg_train_config *config);

#endif
