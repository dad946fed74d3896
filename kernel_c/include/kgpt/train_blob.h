/* Trained weights as a model that can be opened, sent, and built into a kernel: struct kg_model_data with what follows
 * it. */
#ifndef KGPT_TRAIN_BLOB_H
#define KGPT_TRAIN_BLOB_H

#include "kgpt/model_data.h"
#include "kgpt/train_corpus.h"
#include "kgpt/train_shape.h"

/* Bytes of the whole. */
uint64_t kg_blob_size(const struct kg_shape *shape, const struct kg_corpus *corpus);

/* The floats that kg_blob_finish expects to have been written: (n_parameters) in the order of kg_layout_of. */
float *kg_blob_weights(struct kg_model_data *blob);

/* Writes the header, but for the check sum, and the vocabulary into kg_blob_size bytes, aligned to KG_MODEL_ALIGN. The
 * model's SHA-256 stays zero: it is the host's to compute. */
void kg_blob_begin(struct kg_model_data *blob, const struct kg_shape *shape, const struct kg_corpus *corpus,
                   const char *name);
void kg_blob_finish(struct kg_model_data *blob);

#endif
