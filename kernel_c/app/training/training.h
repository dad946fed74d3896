/* Training: from the corpus to a model that generates. A kernel without training links training_absent.c instead. */
#ifndef KGPT_APP_TRAINING_H
#define KGPT_APP_TRAINING_H

#include "app/kgpt.h"

struct kg_training_end {
    bool stopped; /* Ctrl-C, before the last step */
    bool sampled; /* the documents were drawn already, by the training's own random numbers */
};

/* Can this kernel train? */
extern const bool kg_can_train;

/* Trains as k->config.train says, sends the weights over the machine channel, and makes the trained model k's model.
 * KG_E_INPUT, KG_E_MEMORY with a message; the last good weights have been sent and are k's model. Without good
 * weights k keeps the model of the kernel. */
enum kg_status kg_training_run(struct kgpt *k, struct kg_training_end *end, struct kg_error *error);

/* Prints the losses of the last training of this run. KG_E_INPUT: there was none. */
enum kg_status kg_training_losses(const struct kgpt *k, struct kg_error *error);

/* The mean loss of k's model over `text` as one document (nats a token), and over how many tokens. KG_E_INPUT for a
 * character that the model does not know, KG_E_CONTEXT if it has no room for the text. */
enum kg_status kg_training_loss(struct kgpt *k, const char *text, double *loss, uint32_t *n, struct kg_error *error);

#endif
