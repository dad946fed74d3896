/* Training in f32 and in batches, at full speed. The number of CPUs does not change the bits.
 *
 * A step is: kg_fast_begin; kg_fast_gradients once for every chunk of the batch, on any CPUs and in any order;
 * kg_fast_update once for every part, likewise; kg_fast_end. kg_fast_step does all of it on one CPU. How a batch is
 * cut into chunks is a setting of the training, not of the machine, and their gradients are added in the order of the
 * chunks. So neither the number of CPUs nor their timing changes the result.
 *
 * Within a chunk, positions that have the same tokens before them are computed once: see train/fast_batch.c.
 *
 * There are two arithmetics. With KG_ISA_AVX2 (which here needs FMA too) and KG_ISA_AVX512, products and sums are
 * fused, and both give the same bits; with KG_ISA_C they are rounded one by one. A training is repeated bit by bit by
 * the same arithmetic only. */
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
    uint32_t batch;   /* documents a step */
    uint32_t chunks;  /* into which a batch is cut; 0: one for every 16 documents */
    uint32_t workers; /* CPUs that shall compute kg_fast_eval at once; 0: one for each chunk. No result depends on it */
    uint32_t features; /* of the CPU: enum kg_cpu_feature */
    enum kg_isa highest;
};

struct kg_fast; /* a training: everything it remembers is in its arena */

/* Refuses what cannot be trained: sizes, numbers of Adam, a batch without documents, more chunks than documents, a
 * corpus without documents or with more tokens than the model. */
enum kg_status kg_fast_check(const struct kg_fast_settings *settings, const struct kg_corpus *corpus,
                             struct kg_error *error);

/* A training whose settings were checked. The arena counts, or has room for it. `corpus` stays in use. */
struct kg_fast *kg_fast_carve(const struct kg_fast_settings *settings, const struct kg_corpus *corpus,
                              struct kg_arena *arena);

/* Draws the weights: normal, of standard deviation 0.08, in the order of struct kg_model_data. */
void kg_fast_draw(struct kg_fast *trainer);

/* The whole of a step on this CPU; the batch's loss before it: nats, the mean over its documents of the mean over a
 * document's positions. After settings.adam.steps steps the learning rate is 0 and stays there. */
double kg_fast_step(struct kg_fast *trainer);

/* The parts of a step. Each chunk and each part exactly once; a barrier between the four. */
void kg_fast_begin(struct kg_fast *trainer);
void kg_fast_gradients(struct kg_fast *trainer, uint32_t chunk);
void kg_fast_update(struct kg_fast *trainer, uint32_t part, uint32_t parts);
double kg_fast_end(struct kg_fast *trainer);

/* For CPUs that share a step: true for the first one that asks for this chunk after kg_fast_begin. */
bool kg_fast_take(struct kg_fast *trainer, uint32_t chunk);

/* Into how many parts, `workers` at most, kg_fast_update is worth dividing: a small one takes less time than waking a
 * CPU. */
uint32_t kg_fast_parts(const struct kg_fast *trainer, uint32_t workers);

uint32_t kg_fast_chunks(const struct kg_fast *trainer);
uint64_t kg_fast_steps_done(const struct kg_fast *trainer);
enum kg_isa kg_fast_isa(const struct kg_fast *trainer);

/* Mean loss of documents first .. first + count - 1 of `corpus`, each weighing the same. Works in the memory of one
 * chunk (or of settings.workers, if these are more), so several CPUs can share the work; not while kg_fast_gradients
 * does the same chunk. The result is added up in the order of the documents, 16 at a time, whatever the chunk. */
double kg_fast_eval(struct kg_fast *trainer, uint32_t chunk, const struct kg_corpus *corpus, uint32_t first,
                    uint32_t count);

/* The weights (or the last step's gradients) as (kg_layout_of(shape).n_parameters) floats in the order of
 * struct kg_model_data; and back. */
void kg_fast_export(const struct kg_fast *trainer, float *weights);
void kg_fast_import(struct kg_fast *trainer, const float *weights);
void kg_fast_export_gradients(const struct kg_fast *trainer, float *gradients);

/* All that the next step depends on besides settings and corpus. A training that was saved and loaded goes on with the
 * bits of one that was not interrupted. kg_fast_load: KG_E_INPUT if `state` is of another shape, seed, batch, cut,
 * corpus, or arithmetic; nothing is changed then. */
#define KG_FAST_STATE_MAGIC 0x5446474bu /* "KGFT": its first four bytes */
uint64_t kg_fast_state_size(const struct kg_fast *trainer);
void kg_fast_save(const struct kg_fast *trainer, void *state);
enum kg_status kg_fast_load(struct kg_fast *trainer, const void *state, uint64_t size, struct kg_error *error);

#endif
