/* Trained weights as a model that can be opened, sent, and built into a kernel: struct kg_model_data and its
 * contents. */
#ifndef KGPT_TRAIN_BLOB_H
#define KGPT_TRAIN_BLOB_H

#include "kgpt/model_data.h"
#include "kgpt/train_corpus.h"
#include "kgpt/train_shape.h"

/* Size of the blob in bytes. */
uint64_t kg_blob_size(const struct kg_shape *shape, const struct kg_corpus *corpus);

/* The weights in the blob, (n_parameters) in the order of kg_layout_of. Fill them before kg_blob_finish. */
float *kg_blob_weights(struct kg_model_data *blob);

/* Writes the vocabulary and the header without its checksum. The blob has kg_blob_size bytes, aligned to
 * KG_MODEL_ALIGN. The SHA-256 stays zero: the host computes it. */
void kg_blob_begin(struct kg_model_data *blob, const struct kg_shape *shape, const struct kg_corpus *corpus,
                   const char *name);
void kg_blob_finish(struct kg_model_data *blob);

#endif
