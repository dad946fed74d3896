/* Sampler extensions that only kernels for language models link; kgpt/sampling.h documents the filters. For greedy
 * sampling and top_k one pass selects the candidates, without a sort of the whole vocabulary (up to 256,000 tokens). */
#ifndef KGPT_LM_SAMPLER_H
#define KGPT_LM_SAMPLER_H

#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/sampler.h"

/* llama.cpp's defaults, from options.def. */
void kg_lm_sampling_defaults(struct kg_sampling *sampling);

/* Allocates a sampler with all filters from an arena that counts or has enough memory. A NaN logit counts as minus
 * infinity. */
void kg_lm_sampler_carve(struct kg_sampler *sampler, uint32_t n_vocab, struct kg_arena *arena);

/* Chooses whose numbers and steps the sampler uses from now on. KG_RNG_LLAMA2C: the generator of llama2.c's run.c, in
 * the state `seed`, which is not 0, and its sampler. It has a temperature and top_p, and no other filter. */
void kg_lm_sampler_use(struct kg_sampler *sampler, enum kg_rng rng, uint64_t seed);

/* llama2c_sampler.c: samples a token as run.c does; it is the only candidate. */
uint32_t kg_llama2c_select(struct kg_sampler *sampler, const struct kg_sampling *sampling, const float *logits,
                           const uint32_t *last, uint32_t n_last);

/* The `n` (at most n_vocab) most likely tokens, computed from the logits without filters. `out` (n). */
void kg_lm_logprobs(struct kg_sampler *sampler, const float *logits, struct kg_logprob *out, uint32_t n);

/* ln of the probability of one token, computed from the logits without filters. */
float kg_lm_logprob(const float *logits, uint32_t n_vocab, uint32_t token);

#endif
