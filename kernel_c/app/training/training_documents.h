/* The documents of a training: found, read, and divided into those that are trained on and those that are kept back. */
#ifndef KGPT_APP_TRAINING_DOCUMENTS_H
#define KGPT_APP_TRAINING_DOCUMENTS_H

#include "app/kgpt.h"
#include "kgpt/train_corpus.h"

struct kg_documents {
    struct kg_corpus all, train, validation; /* one vocabulary; validation.n_documents is 0 without one */
};

/* The corpus is the first boot module that is no saved training, or else the one in the kernel. Takes its memory from
 * k->arena. KG_E_INPUT, KG_E_MEMORY with a message. */
enum kg_status kg_documents_read(struct kgpt *k, struct kg_documents *documents, struct kg_error *error);

/* Keeps k->config.train.val_fraction of them back, chosen by the seed alone. */
enum kg_status kg_documents_split(struct kgpt *k, struct kg_documents *documents, uint64_t seed,
                                  struct kg_error *error);

/* The saved training that the loader brought, to go on with; NULL without one. */
const struct kg_file *kg_saved_training(const struct kg_platform_info *info);

#endif
