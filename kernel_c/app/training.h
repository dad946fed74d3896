/* mode=train: from the corpus that the loader brought to a model that generates. */
#ifndef KGPT_APP_TRAINING_H
#define KGPT_APP_TRAINING_H

#include "kgpt.h"

struct kg_training_end {
    bool stopped; /* Ctrl-C, before the last step */
    bool sampled; /* the documents were drawn already, by the training's own random numbers */
};

/* Trains as k->config.train says, sends the weights over the machine channel, and makes the trained model k's model.
 * KG_E_INPUT, KG_E_MEMORY with a message; what was good until then has been sent. */
enum kg_status kg_training_run(struct kgpt *k, struct kg_training_end *end, struct kg_error *error);

#endif
