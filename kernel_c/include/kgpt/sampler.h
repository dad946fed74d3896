/* The sampler of both engines: see kgpt/sampling.h for the filters. logit_bias, penalties, typical_p and a fast
 * top_k are in infer/lm_sampler.c, which only kernels for language models link: they hang on kg_sampler.more.
 * Candidates are sorted, and sums are taken in their order, in single precision. */
#ifndef KGPT_SAMPLER_H
#define KGPT_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/error.h"
#include "kgpt/random.h"
#include "kgpt/sampling.h"

struct kg_candidate {
    uint32_t id;
    float logit;
    float weight; /* exp((logit - largest) / temperature) */
};

struct kg_sampler;

/* The additional filters of a language model's sampler. */
struct kg_sampler_more {
    /* Candidates into sampler->candidates, sorted, after all filters up to typical_p: how many. `last` (n_last) are
     * the tokens before, the newest at the end. */
    uint32_t (*select)(struct kg_sampler *sampler, const struct kg_sampling *sampling, const float *logits,
                       const uint32_t *last, uint32_t n_last);
    /* The `n` most likely tokens by the logits alone into `top`, and ln of the probability of `token`. */
    float (*logprobs)(struct kg_sampler *sampler, const float *logits, uint32_t token, struct kg_logprob *top,
                      uint32_t n);
};

struct kg_sampler {
    uint32_t n_vocab;
    struct kg_candidate *candidates;    /* (n_vocab): scratch */
    const struct kg_sampler_more *more; /* NULL in a microgpt's kernel; then `spare` and `counts` are too */
    struct kg_candidate *spare;         /* (n_vocab): scratch */
    /* (n_vocab): how often a token is among the last ones, and a mark for biases; zeros between two calls */
    uint16_t *counts;
};

/* The arena counts, or has room for it. */
void kg_sampler_carve(struct kg_sampler *sampler, uint32_t n_vocab, struct kg_arena *arena);

/* What remains of the vocabulary after all filters, sorted in sampler->candidates, with their weights at its
 * temperature; how many, and the sum of the weights (one candidate of weight 1 at temperature 0). */
uint32_t kg_candidates_choose(struct kg_sampler *sampler, const struct kg_sampling *sampling, const float *logits,
                              const uint32_t *last, uint32_t n_last, float *sum);

/* Draws one of these. One draw from `random`, none at temperature 0. */
uint32_t kg_sample(struct kg_sampler *sampler, const struct kg_sampling *sampling, const float *logits,
                   const uint32_t *last, uint32_t n_last, struct kg_random *random);

/* The parts. Those after kg_candidates_sort take sorted candidates.
 *
 * Lets the candidate at `root` sink to its place in a heap of n whose top is the one that comes last. */
void kg_candidates_sink(struct kg_candidate *heap, uint32_t root, uint32_t n);

/* The largest logit first, of equal ones the lowest id: a total order, so that the result does not depend on the
 * method. */
bool kg_candidate_before(const struct kg_candidate *a, const struct kg_candidate *b);
void kg_candidates_sort(struct kg_candidate *candidates, uint32_t n);

/* Computes the weights; their sum. The largest weighs 1 even if its logit is infinite. */
float kg_candidates_weigh(struct kg_candidate *candidates, uint32_t n, float temperature);

/* How many remain after top_p and min_p. */
uint32_t kg_candidates_filter(struct kg_candidate *candidates, uint32_t n, float top_p, float min_p);

/* One of them by its weight; `sum` is that of the weights. */
uint32_t kg_candidates_draw(const struct kg_candidate *candidates, uint32_t n, float sum, struct kg_random *random);

#endif
