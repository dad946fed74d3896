/* The sampler of both engines; kgpt/sampling.h documents the filters. Only kernels for language models link
 * infer/reply/lm_sampler.c, which adds logit_bias, penalties, typical_p and a fast top_k through kg_sampler.more.
 * Candidates are sorted; sums are added in that order, in single precision. */
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
    /* Selects candidates by all filters up to typical_p into sampler->candidates, sorted; returns their number.
     * `last` (n_last) are the preceding tokens, newest last. */
    uint32_t (*select)(struct kg_sampler *sampler, const struct kg_sampling *sampling, const float *logits,
                       const uint32_t *last, uint32_t n_last);
    /* Writes the `n` most likely tokens by the unfiltered logits to `top`. Returns ln of the probability of `token`. */
    float (*logprobs)(struct kg_sampler *sampler, const float *logits, uint32_t token, struct kg_logprob *top,
                      uint32_t n);
};

struct kg_sampler {
    uint32_t n_vocab;
    struct kg_candidate *candidates;    /* (n_vocab): scratch */
    const struct kg_sampler_more *more; /* NULL in a microgpt's kernel; then `spare` and `counts` are NULL too */
    struct kg_candidate *spare;         /* (n_vocab): scratch */
    /* (n_vocab): occurrences of a token among the last ones, with a mark for biases; all zero between two calls */
    uint16_t *counts;
    /* Of a language model: bit i % 32 of word i / 32 allows token i, and one is allowed; NULL: all are. */
    const uint32_t *allowed;
    uint64_t xorshift; /* state of llama2.c's generator, if `more` is its sampler */
};

/* Allocates from an arena that counts or has enough memory. */
void kg_sampler_carve(struct kg_sampler *sampler, uint32_t n_vocab, struct kg_arena *arena);

/* Applies all filters. The remaining tokens are in sampler->candidates, sorted, with their weights at the
 * temperature. Returns their number, and the sum of weights in *sum (at temperature 0: one candidate of weight 1). */
uint32_t kg_candidates_choose(struct kg_sampler *sampler, const struct kg_sampling *sampling, const float *logits,
                              const uint32_t *last, uint32_t n_last, float *sum);

/* Samples one token. Draws one number from `random`, none at temperature 0. */
uint32_t kg_sample(struct kg_sampler *sampler, const struct kg_sampling *sampling, const float *logits,
                   const uint32_t *last, uint32_t n_last, struct kg_random *random);

/* Steps of the sampler. Functions below kg_candidates_sort require sorted candidates.
 *
 * Sifts the candidate at `root` down in a heap of n whose root is the last in sort order. */
void kg_candidates_sink(struct kg_candidate *heap, uint32_t root, uint32_t n);

/* Sort order: larger logit first, then lower id. The order is total, so the result does not depend on the method. */
bool kg_candidate_before(const struct kg_candidate *a, const struct kg_candidate *b);
void kg_candidates_sort(struct kg_candidate *candidates, uint32_t n);

/* Computes the weights and returns their sum. The largest weight is 1 even if its logit is infinite. */
float kg_candidates_weigh(struct kg_candidate *candidates, uint32_t n, float temperature);

/* Number of candidates that remain after top_p and min_p. */
uint32_t kg_candidates_filter(struct kg_candidate *candidates, uint32_t n, float top_p, float min_p);

/* Draws one candidate by weight; `sum` is the sum of the weights. */
uint32_t kg_candidates_draw(const struct kg_candidate *candidates, uint32_t n, float sum, struct kg_random *random);

#endif
