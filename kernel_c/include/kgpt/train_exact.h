/* Training in IEEE double with the operations of microgpt (A. Karpathy, 2026), each in its place: the losses, weights
 * and samples are those of the Python program, but for the last bits of exp, log and pow.
 *
 * Seed, shuffle the documents, draw the weights from gauss(0, 0.08); then one document a step in that order. All
 * random numbers, those of the samples too, come from one CPython generator. */
#ifndef KGPT_TRAIN_EXACT_H
#define KGPT_TRAIN_EXACT_H

#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/error.h"
#include "kgpt/ops.h"
#include "kgpt/train_corpus.h"
#include "kgpt/train_shape.h"

struct kg_exact_settings {
    struct kg_shape shape; /* n_vocab is the corpus's */
    struct kg_adam adam;
    uint64_t seed;
};

struct kg_exact; /* a training: everything it remembers is in its arena */

/* Refuses sizes and numbers of Adam that cannot be trained. */
enum kg_status kg_exact_check(const struct kg_exact_settings *settings, const struct kg_corpus *corpus,
                              struct kg_error *error);

/* A training whose settings were checked. The arena counts, or has room for it. `corpus` stays in use. */
struct kg_exact *kg_exact_carve(const struct kg_exact_settings *settings, const struct kg_corpus *corpus,
                                struct kg_arena *arena);

/* Shuffles the documents and draws the weights, both by the seed: the beginning of a training. */
void kg_exact_draw(struct kg_exact *trainer);

/* Which instructions to use, of those that the CPU has and up to `highest`; until then those that every CPU has. The
 * results have the same bits with any. */
void kg_exact_use(struct kg_exact *trainer, uint32_t features /* enum kg_cpu_feature */, enum kg_isa highest);

/* The loss (nats, mean over the document's positions) before the step. If it is not finite, the step is not made and
 * nothing is changed. After settings.adam.steps steps the learning rate is 0 and stays there. */
double kg_exact_step(struct kg_exact *trainer);
uint64_t kg_exact_steps_done(const struct kg_exact *trainer);

/* The loss of a document of n characters, without learning from it. */
double kg_exact_loss(struct kg_exact *trainer, const uint32_t *document, uint32_t n);

/* Draws one document of at most n_ctx tokens into `tokens`; returns how many, BOS not among them. temperature > 0. */
uint32_t kg_exact_sample(struct kg_exact *trainer, double temperature, uint32_t *tokens);

/* The weights, (kg_layout_of(shape).n_parameters), in the order of struct kg_model_data. */
const double *kg_exact_weights(const struct kg_exact *trainer);
void kg_exact_export(const struct kg_exact *trainer, float *weights);

/* All that the next step depends on besides settings and corpus. A training that was saved and loaded goes on with the
 * bits of one that was not interrupted. kg_exact_load: KG_E_INPUT if `state` is damaged, or of other settings or of
 * another corpus; nothing is changed then. */
#define KG_EXACT_STATE_MAGIC 0x5458474bu /* "KGXT": its first four bytes */
uint64_t kg_exact_state_size(const struct kg_exact *trainer);
void kg_exact_save(const struct kg_exact *trainer, void *state);
enum kg_status kg_exact_load(struct kg_exact *trainer, const void *state, uint64_t size, struct kg_error *error);

#endif
