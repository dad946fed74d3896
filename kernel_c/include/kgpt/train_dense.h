/* Training on a running text in f32: batches of windows, and three kinds of blocks (kgpt_build/reference/draws.py).
 *
 * A step is kg_dense_begin; kg_dense_gradients once for every chunk of the batch; then kg_dense_sum, kg_dense_update
 * and kg_dense_pack, each once for every part; kg_dense_end. Between two of them there is a barrier. Chunks and parts
 * run on any CPU in any order. kg_dense_step does a whole step on one CPU. The number of chunks is a setting of
 * the training, not of the machine, and gradients are added in the order of the chunks. So neither the number of CPUs
 * nor their timing changes the result.
 *
 * There are two arithmetics, as in kgpt/train_fast.h: KG_ISA_AVX2 (with FMA) and KG_ISA_AVX512 give the same bits, and
 * KG_ISA_C rounds each operation. */
#ifndef KGPT_TRAIN_DENSE_H
#define KGPT_TRAIN_DENSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/error.h"
#include "kgpt/ops.h"

enum kg_dense_kind {
    KG_DENSE_NANOGPT,  /* LayerNorm, learned positions, GELU by erf, fused qkv, biases or none */
    KG_DENSE_MICROGPT, /* RMSNorm without gain, also after the embedding, learned positions, ReLU */
    KG_DENSE_LLAMA,    /* RMSNorm with gain, RoPE on neighbours, SwiGLU */
};

struct kg_dense_shape {
    uint32_t kind; /* enum kg_dense_kind */
    uint32_t n_layer, n_head, n_embd, n_ctx, n_vocab;
    uint32_t bias; /* 0 or 1: biases of KG_DENSE_NANOGPT */
    uint32_t tied; /* 0 or 1: the embedding is the output matrix too; never of KG_DENSE_MICROGPT */
};

struct kg_dense_settings {
    struct kg_dense_shape shape;
    uint32_t steps;    /* over which the learning rate falls */
    uint32_t warmup;   /* steps in which it rises: lr * (step + 1) / (warmup + 1) */
    uint32_t constant; /* 0: half a cosine from lr to a tenth of it; 1: lr */
    uint32_t batch;    /* windows a step */
    uint32_t chunks;   /* parts of a batch; 0: one for each window, at most 8 */
    uint32_t workers;  /* CPUs that compute at the same time; 0: one */
    double lr, beta1, beta2, eps;
    double weight_decay; /* decoupled, of matrices: each step subtracts lr_t * weight_decay * w */
    double grad_clip;    /* the largest norm of all gradients together; 0: no limit */
    double dropout;      /* 0 to below 1 */
    uint64_t seed;
    uint32_t features; /* of the CPU: enum kg_cpu_feature */
    enum kg_isa highest;
};

/* The text: the first n_train tokens are trained on, the rest is for validation. */
struct kg_dense_text {
    const uint32_t *tokens;
    uint32_t n, n_train;
    uint32_t eval_windows; /* of the validation, at most */
};

struct kg_dense; /* a training; all its state is in its arena */

/* Refuses invalid sizes and hyperparameters, and a text that is too short for a window. */
enum kg_status kg_dense_check(const struct kg_dense_settings *settings, const struct kg_dense_text *text,
                              struct kg_error *error);

/* Allocates a training from an arena that counts or has enough memory. The settings passed kg_dense_check. The tokens
 * stay in use. */
struct kg_dense *kg_dense_carve(const struct kg_dense_settings *settings, const struct kg_dense_text *text,
                                struct kg_arena *arena);

/* Draws the first weights: initial_weights of kgpt_build/reference/draws.py, to the bit. */
void kg_dense_draw(struct kg_dense *trainer);

/* Makes a whole step on this CPU. Returns the loss of the batch before it: nats a token. */
double kg_dense_step(struct kg_dense *trainer);

/* The phases of a step. `worker` is below settings.workers; no two CPUs use one at the same time. */
void kg_dense_begin(struct kg_dense *trainer);
void kg_dense_gradients(struct kg_dense *trainer, uint32_t chunk, uint32_t worker);
void kg_dense_sum(struct kg_dense *trainer, uint32_t part, uint32_t parts);
void kg_dense_update(struct kg_dense *trainer, uint32_t part, uint32_t parts);
void kg_dense_pack(struct kg_dense *trainer, uint32_t part, uint32_t parts);
double kg_dense_end(struct kg_dense *trainer);

/* Work distribution among CPUs: the next chunk that no CPU has taken since kg_dense_begin; false: there is none. */
bool kg_dense_take(struct kg_dense *trainer, uint32_t *chunk);

/* A validation: kg_dense_eval_begin, each block once on any CPU, kg_dense_eval_end: the mean loss, nats a token. The
 * windows are evaluation_starts of kgpt_build/reference/draws.py. Without validation there are no blocks. */
uint32_t kg_dense_eval_begin(struct kg_dense *trainer); /* the number of blocks */
bool kg_dense_eval_take(struct kg_dense *trainer, uint32_t *block);
void kg_dense_eval_block(struct kg_dense *trainer, uint32_t block, uint32_t worker);
double kg_dense_eval_end(const struct kg_dense *trainer);

/* The token behind `tokens` (n of them, 1 to n_ctx): the first one at which the sum of the present weights'
 * probabilities exceeds `number`, which is from 0 to below 1. Uses the memory of worker 0. */
uint32_t kg_dense_next(struct kg_dense *trainer, const uint32_t *tokens, uint32_t n, float number);

uint32_t kg_dense_chunks_of(const struct kg_dense_settings *settings);
uint32_t kg_dense_chunks(const struct kg_dense *trainer);
uint64_t kg_dense_steps_done(const struct kg_dense *trainer);
double kg_dense_learning_rate(const struct kg_dense_settings *settings, uint64_t step);
enum kg_isa kg_dense_isa(const struct kg_dense *trainer);
uint64_t kg_dense_parameters(const struct kg_dense_shape *shape);

/* Copies the weights, or the gradients of the last step before clipping, as kg_dense_parameters floats in the order of
 * tensor_shapes in kgpt_build/reference/draws.py. kg_dense_import sets the weights. */
void kg_dense_export(const struct kg_dense *trainer, float *weights);
void kg_dense_import(struct kg_dense *trainer, const float *weights);
void kg_dense_export_gradients(const struct kg_dense *trainer, float *gradients);

/* Saves and restores the state besides settings and text. A restored training gives the same bits as an uninterrupted
 * one. kg_dense_load returns KG_E_INPUT if `state` has another shape, seed, batch, number of chunks, dropout, text or
 * arithmetic; then nothing changes. */
#define KG_DENSE_STATE_MAGIC 0x5444474bu /* "KGDT": its first four bytes */
uint64_t kg_dense_state_size(const struct kg_dense_shape *shape);
void kg_dense_save(const struct kg_dense *trainer, void *state);
enum kg_status kg_dense_load(struct kg_dense *trainer, const void *state, uint64_t size, struct kg_error *error);

#endif
