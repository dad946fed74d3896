/* Which token comes next: llama.cpp's samplers, in its order and with its names and defaults.
 *
 *   logit_bias   adds to the logits of tokens
 *   penalties    of tokens among the last repeat_last_n: logit / repeat_penalty if it is positive, else * repeat_penalty; then minus
 *                frequency_penalty * how often it is there, minus presence_penalty
 *   top_k        keeps the k largest logits
 *   typical_p    keeps those whose -ln p is nearest to the entropy, until their p sum to more than typical_p
 *   top_p        keeps the most likely whose p sum to at least top_p
 *   min_p        keeps those whose p is at least min_p times the largest
 *   temperature  divides the logits; then one is drawn by its probability
 *
 * Each sees the probabilities among those that the one before it kept. From top_p on this is kgpt/sampler.h, so that a microgpt says the
 * same as in an image of its own. */
#ifndef KGPT_LM_SAMPLER_H
#define KGPT_LM_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/random.h"
#include "kgpt/sampler.h"
#include "kgpt/status.h"

struct kg_logit_bias {
    uint32_t token;
    float bias;
};

/* What the members mean is said in options.def. */
struct kg_lm_sampling {
    union {
        struct kg_sampling common; /* the same values, for a microgpt */
        struct {
#define KG_SAMPLING(name, kind, values, where, otherwise, unit, help, words) KG_MEMBER(name, kind, values)
#include "kgpt/options.def"
        };
    };
#define KG_LM_SAMPLING(name, kind, values, where, otherwise, unit, help, words) KG_MEMBER(name, kind, values)
#define KG_LM_BIASES(name, kind, values, where, otherwise, unit, help, words) KG_MEMBER(name, kind, values)
#include "kgpt/options.def"
    uint32_t n_biases; /* in logit_bias */
};

/* llama.cpp's. */
void kg_lm_sampling_defaults(struct kg_lm_sampling *sampling);

struct kg_logprob {
    uint32_t id;
    float ln_p;
};

struct kg_lm_sampler {
    uint32_t n_vocab;
    struct kg_candidate *candidates, *spare; /* (n_vocab) each */
    uint16_t *
        counts; /* (n_vocab): how often a token is among the last ones, and a mark for biases; zeros between two calls */
};

uint64_t kg_lm_sampler_size(uint32_t n_vocab);
enum kg_status kg_lm_sampler_init(struct kg_lm_sampler *sampler, uint32_t n_vocab, struct kg_arena *arena);

/* What remains of the vocabulary after all of `sampling`, sorted in sampler->candidates, with their weights at its temperature, and the sum of
 * these (one with weight 1 at temperature 0); how many. `last` (n_last) are the tokens before, the newest at the end. A logit that is no
 * number counts as minus infinity. */
uint32_t kg_lm_candidates(struct kg_lm_sampler *sampler, const struct kg_lm_sampling *sampling, const float *logits,
                          const uint32_t *last, uint32_t n_last, float *sum);

/* One of these. One draw from `random`, none at temperature 0. */
uint32_t kg_lm_sample(struct kg_lm_sampler *sampler, const struct kg_lm_sampling *sampling, const float *logits,
                      const uint32_t *last, uint32_t n_last, struct kg_random *random);

/* The `n` (at most n_vocab) most likely tokens by the logits alone. `out` (n). */
void kg_lm_logprobs(struct kg_lm_sampler *sampler, const float *logits, struct kg_logprob *out, uint32_t n);

/* ln of the probability of one token by the logits alone. */
float kg_lm_logprob(const float *logits, uint32_t n_vocab, uint32_t token);

#endif
