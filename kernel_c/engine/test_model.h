/* A small model of any shape with random weights, made in a test's arena. */
#ifndef KGPT_ENGINE_TEST_MODEL_H
#define KGPT_ENGINE_TEST_MODEL_H

#include "kgpt/arena.h"
#include "kgpt/model_data.h"

struct kg_test_shape {
    uint32_t n_vocab; /* at most 27: letters and BOS */
    uint32_t n_ctx, n_embd, n_layer, n_head, n_head_kv, n_ff;
};

/* The same shape and seed give the same bytes. NULL if the arena is too small. */
struct kg_model_data *kg_test_model(struct kg_arena *arena, const struct kg_test_shape *shape, uint64_t seed);

/* Updates data->crc32 after a test has changed the vocabulary or the weights. */
void kg_test_model_sign(struct kg_model_data *data);

#endif
