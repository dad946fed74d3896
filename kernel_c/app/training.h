/* mode=train: from the corpus that the loader brought to a model that generates. */
#ifndef KGPT_APP_TRAINING_H
#define KGPT_APP_TRAINING_H

#include "kgpt.h"

/* Trains as k->config.train says, sends the weights over the machine channel, and makes the trained model k's model.
 * *stopped: Ctrl-C ended it early. KG_E_INPUT, KG_E_MEMORY with a message; what was good until then has been sent. */
enum kg_status kg_training_run(struct kgpt *k, bool *stopped, struct kg_error *error);

#endif
