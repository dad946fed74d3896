/* Training in IEEE double with exactly the operations of microgpt (A. Karpathy, 2026). Losses, weights and samples
 * equal those of the Python program, except for the last bits of exp, log and pow.
 *
 * Order: seed, shuffle the documents, draw the weights from gauss(0, 0.08), then train on one document a step. One
 * CPython generator gives all random numbers, also those of the samples. */
#ifndef KGPT_TRAIN_EXACT_H
#define KGPT_TRAIN_EXACT_H

#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/error.h"
#include "kgpt/ops.h"
#include "kgpt/train_corpus.h"
#include "kgpt/train_shape.h"

struct kg_exact_settings {
    struct kg_shape shape; /* n_vocab comes from the corpus */
    struct kg_adam adam;
    uint64_t seed;
};

struct kg_exact; /* a training; all its state is in its arena */

/* Refuses sizes and Adam hyperparameters that cannot be trained. */
enum kg_status kg_exact_check(const struct kg_exact_settings *settings, const struct kg_corpus *corpus,
                              struct kg_error *error);

/* Allocates a training from an arena that counts or has enough memory. The settings passed kg_exact_check. `corpus`
 * stays in use. */
struct kg_exact *kg_exact_carve(const struct kg_exact_settings *settings, const struct kg_corpus *corpus,
                                struct kg_arena *arena);

/* Shuffles the documents and draws the weights from the seed. */
void kg_exact_draw(struct kg_exact *trainer);

/* Selects the instruction set: the best that the CPU has, at most `highest`. The default is the baseline. All give
 * the same bits. */
void kg_exact_use(struct kg_exact *trainer, uint32_t features /* enum kg_cpu_feature */, enum kg_isa allowed);

/* Makes one step. Returns the loss before it (nats, mean over the positions of the document). If the loss is not
 * finite, nothing changes. The learning rate is 0 after settings.adam.steps steps. */
double kg_exact_step(struct kg_exact *trainer);
uint64_t kg_exact_steps_done(const struct kg_exact *trainer);

/* The loss of a document of n characters. Nothing is learned. */
double kg_exact_loss(struct kg_exact *trainer, const uint32_t *document, uint32_t n);

/* Samples a document of at most n_ctx tokens into `tokens`. Returns its length without BOS. temperature > 0. */
uint32_t kg_exact_sample(struct kg_exact *trainer, double temperature, uint32_t *tokens);

/* The weights, (kg_layout_of(shape).n_parameters), in the order of struct kg_model_data. */
const double *kg_exact_weights(const struct kg_exact *trainer);
void kg_exact_export(const struct kg_exact *trainer, float *weights);

/* Saves and restores the state besides settings and corpus. A restored training gives the same bits as an
 * uninterrupted one. kg_exact_load returns KG_E_INPUT if `state` is damaged or belongs to other settings or another
 * corpus; then nothing changes. */
#define KG_EXACT_STATE_MAGIC 0x5458474bu /* "KGXT": its first four bytes */
uint64_t kg_exact_state_size(const struct kg_exact *trainer);
void kg_exact_save(const struct kg_exact *trainer, void *state);
enum kg_status kg_exact_load(struct kg_exact *trainer, const void *state, uint64_t size, struct kg_error *error);

#endif
