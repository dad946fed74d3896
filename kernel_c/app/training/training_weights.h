/* The weights of a training as two models: the present ones, which k's engine uses, and the best ones so far. */
#ifndef KGPT_APP_TRAINING_WEIGHTS_H
#define KGPT_APP_TRAINING_WEIGHTS_H

#include "app/kgpt.h"
#include "app/training/steps/trainer.h"

struct kg_weights {
    struct kg_model_data *present, *best;
    uint64_t best_step; /* after which */
    double best_loss;   /* nats */
    bool has_best;
};

/* The arena counts, or has room for them. */
void kg_weights_carve(struct kg_weights *weights, const struct kg_shape *shape, const struct kg_corpus *corpus,
                      struct kg_arena *arena);

/* Opens the present weights, which are all zero at first, as k's model. */
enum kg_status kg_weights_open(struct kgpt *k, struct kg_weights *weights, const struct kg_shape *shape,
                               const struct kg_corpus *corpus, struct kg_error *error);

/* What computes with k's model: session and generator. The arena counts, or has room for them. */
void kg_weights_carve_engine(struct kgpt *k, struct kg_arena *arena);

void kg_weights_refresh(struct kg_weights *weights,
                        const struct kg_trainer *trainer);                    /* copies them from the trainer */
void kg_weights_keep(struct kg_weights *weights, uint64_t step, double loss); /* the present ones become the best */
void kg_weights_use_best(struct kg_weights *weights);                         /* the best become the present ones */

/* k's model and what computes with it, as they are before the trainings of a run. Pointers between the members, and
 * into the arena below `used`, stay right: k does not move. */
struct kg_engine_before {
    struct kg_model model;
    struct kg_session session;
    struct kg_generator generator;
    size_t used;
};

void kg_weights_remember(const struct kgpt *k, struct kg_engine_before *before);
void kg_weights_forget(struct kgpt *k, const struct kg_engine_before *before); /* and the arena's pieces since then */

/* Sends one document that the present weights generate. Its random numbers are not those of the training. */
void kg_weights_preview(struct kgpt *k, uint64_t step);

#endif
