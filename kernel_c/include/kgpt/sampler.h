/* Which token comes next. The order is llama.cpp's: top_k, top_p, min_p, temperature.
 *
 * The one sampler of both engines: infer/lm_sampler.c puts before it what only language models have, and selects top_k of a large
 * vocabulary faster. Candidates are sorted, and sums are taken in their order, in single precision. */
#ifndef KGPT_SAMPLER_H
#define KGPT_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/error.h"
#include "kgpt/options.h"
#include "kgpt/random.h"

/* What the members mean is said in options.def: here the rows that every kernel has. */
struct kg_sampling {
#define KG_SAMPLING(name, kind, values, where, otherwise, unit, help, words) KG_MEMBER(name, kind, values)
#include "kgpt/options.def"
};

struct kg_candidate {
    uint32_t id;
    float logit;
    float weight; /* exp((logit - largest) / temperature) */
};

struct kg_sampler {
    uint32_t n_vocab;
    struct kg_candidate *candidates; /* (n_vocab): scratch */
};

/* The arena counts, or has room for it. */
void kg_sampler_carve(struct kg_sampler *sampler, uint32_t n_vocab, struct kg_arena *arena);

/* One draw from `random`, none at temperature 0. */
uint32_t kg_sample(struct kg_sampler *sampler, const struct kg_sampling *sampling, const float *logits,
                   struct kg_random *random);

/* The parts. Those after kg_candidates_sort take sorted candidates.
 *
 * Lets the candidate at `root` sink to its place in a heap of n whose top is the one that comes last. */
void kg_candidates_sink(struct kg_candidate *heap, uint32_t root, uint32_t n);

/* The largest logit first, of equal ones the lowest id: a total order, so that the result does not depend on the method. */
bool kg_candidate_before(const struct kg_candidate *a, const struct kg_candidate *b);
void kg_candidates_sort(struct kg_candidate *candidates, uint32_t n);

/* Computes the weights; their sum. The largest weighs 1 even if its logit is infinite. */
float kg_candidates_weigh(struct kg_candidate *candidates, uint32_t n, float temperature);

/* How many remain after top_p and min_p. */
uint32_t kg_candidates_filter(struct kg_candidate *candidates, uint32_t n, float top_p, float min_p);

/* One of them by its weight; `sum` is that of the weights. */
uint32_t kg_candidates_draw(const struct kg_candidate *candidates, uint32_t n, float sum, struct kg_random *random);

#endif
