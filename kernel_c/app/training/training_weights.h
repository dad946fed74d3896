/* The weights of a training as models: those at hand, with which k's engine computes, and the best so far. */
#ifndef KGPT_APP_TRAINING_WEIGHTS_H
#define KGPT_APP_TRAINING_WEIGHTS_H

#include "app/kgpt.h"
#include "trainer.h"

struct kg_weights {
    struct kg_model_data *present, *best;
    uint64_t best_step; /* after which */
    double best_loss;   /* nats */
    bool has_best;
};

uint64_t kg_weights_size(const struct kg_shape *shape, const struct kg_corpus *corpus); /* bytes taken by the next */
enum kg_status kg_weights_take(struct kg_weights *weights, const struct kg_shape *shape, const struct kg_corpus *corpus,
                               struct kg_arena *arena);

/* Makes the weights at hand k's model, with a session and a generator from k's arena. KG_E_MEMORY, KG_E_INPUT. */
enum kg_status kg_weights_adopt(struct kgpt *k, const struct kg_weights *weights, struct kg_error *error);

void kg_weights_refresh(struct kg_weights *weights, const struct kg_trainer *trainer); /* those at hand */
void kg_weights_keep(struct kg_weights *weights, uint64_t step, double loss); /* those at hand become the best */
void kg_weights_use_best(struct kg_weights *weights);                         /* and back */

/* What k's model is before a training, to return to. */
void kg_weights_remember(const struct kgpt *k);
void kg_weights_forget(
    struct kgpt *k); /* gives back all memory taken since kg_weights_remember, too, if that was called */

/* One document by the weights at hand, over the machine channel; it draws from no stream of the training's. */
void kg_weights_preview(struct kgpt *k, uint64_t step);

#endif
