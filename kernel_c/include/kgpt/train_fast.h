/* Fast training in f32 and in batches. The number of CPUs does not change the bits.
 *
 * A step is kg_fast_begin; kg_fast_gradients once for every chunk of the batch; kg_fast_update once for every part;
 * kg_fast_end. Chunks and parts run on any CPU in any order. kg_fast_step does a whole step on one CPU. The number
 * of chunks is a setting of the training, not of the machine, and gradients are added in the order of the chunks. So
 * neither the number of CPUs nor their timing changes the result.
 *
 * Within a chunk, positions with the same prefix are computed once: see train/fast/fast_batch.c.
 *
 * There are two arithmetics. KG_ISA_AVX2 (here with FMA) and KG_ISA_AVX512 fuse products and sums, and give the same
 * bits. KG_ISA_C rounds each operation. Only the same arithmetic reproduces a training bit by bit. */
#ifndef KGPT_TRAIN_FAST_H
#define KGPT_TRAIN_FAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/error.h"
#include "kgpt/ops.h"
#include "kgpt/train_corpus.h"
#include "kgpt/train_shape.h"

struct kg_fast_settings {
    struct kg_shape shape;
    struct kg_adam adam;
    uint64_t seed;
    uint32_t batch;  /* documents a step */
    uint32_t chunks; /* parts of a batch; 0: one for every 16 documents */
    /* CPUs that may run kg_fast_eval concurrently; 0: one for each chunk. The results do not depend on it. */
    uint32_t workers;
    uint32_t features; /* of the CPU: enum kg_cpu_feature */
    enum kg_isa highest;
};

struct kg_fast; /* a training; all its state is in its arena */

/* Refuses invalid sizes and Adam hyperparameters, a batch without documents, more chunks than documents, and a
 * corpus without documents or with more tokens than the model. */
enum kg_status kg_fast_check(const struct kg_fast_settings *settings, const struct kg_corpus *corpus,
                             struct kg_error *error);

/* Allocates a training from an arena that counts or has enough memory. The settings passed kg_fast_check. `corpus`
 * stays in use. */
struct kg_fast *kg_fast_carve(const struct kg_fast_settings *settings, const struct kg_corpus *corpus,
                              struct kg_arena *arena);

/* Draws the weights from a normal distribution with standard deviation 0.08, in the order of struct kg_model_data. */
void kg_fast_draw(struct kg_fast *trainer);

/* Makes a whole step on this CPU. Returns the loss of the batch before it, in nats: the mean over documents of the
 * mean over the positions of a document. The learning rate is 0 after settings.adam.steps steps. */
double kg_fast_step(struct kg_fast *trainer);

/* The phases of a step, with a barrier between them. Call each chunk and each part exactly once. */
void kg_fast_begin(struct kg_fast *trainer);
void kg_fast_gradients(struct kg_fast *trainer, uint32_t chunk);
void kg_fast_update(struct kg_fast *trainer, uint32_t part, uint32_t parts);
double kg_fast_end(struct kg_fast *trainer);

/* Work distribution among CPUs: true for the first caller for this chunk after kg_fast_begin. */
bool kg_fast_take(struct kg_fast *trainer, uint32_t chunk);

/* The useful number of parts for kg_fast_update, at most `workers`: a small part takes less time than waking a CPU. */
uint32_t kg_fast_parts(const struct kg_fast *trainer, uint32_t workers);

uint32_t kg_fast_chunks(const struct kg_fast *trainer);
uint64_t kg_fast_steps_done(const struct kg_fast *trainer);
enum kg_isa kg_fast_isa(const struct kg_fast *trainer);

/* Mean loss of documents first .. first + count - 1 of `corpus`, equally weighted. Uses the buffers of `chunk`
 * (there are settings.workers of them, if these are more than the chunks). So several CPUs can share the work, but
 * not during kg_fast_gradients of the same chunk. The result is added in the order of the documents, 16 at a time,
 * and does not depend on the chunk. */
double kg_fast_eval(struct kg_fast *trainer, uint32_t chunk, const struct kg_corpus *corpus, uint32_t first,
                    uint32_t count);

/* Copies the weights, or the gradients of the last step, as (kg_layout_of(shape).n_parameters) floats in the order
 * of struct kg_model_data. kg_fast_import sets the weights. */
void kg_fast_export(const struct kg_fast *trainer, float *weights);
void kg_fast_import(struct kg_fast *trainer, const float *weights);
void kg_fast_export_gradients(const struct kg_fast *trainer, float *gradients);

/* Saves and restores the state besides settings and corpus. A restored training gives the same bits as an
 * uninterrupted one. kg_fast_load returns KG_E_INPUT if `state` has another shape, seed, batch, number of chunks,
 * corpus or arithmetic; then nothing changes. */
#define KG_FAST_STATE_MAGIC 0x5446474bu /* "KGFT": its first four bytes */
uint64_t kg_fast_state_size(const struct kg_fast *trainer);
void kg_fast_save(const struct kg_fast *trainer, void *state);
enum kg_status kg_fast_load(struct kg_fast *trainer, const void *state, uint64_t size, struct kg_error *error);

#endif
