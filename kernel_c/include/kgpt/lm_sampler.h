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

/* The `n` (at most n_vocab) most likely tokens, computed from the logits without filters. `out` (n). */
void kg_lm_logprobs(struct kg_sampler *sampler, const float *logits, struct kg_logprob *out, uint32_t n);

/* ln of the probability of one token, computed from the logits without filters. */
float kg_lm_logprob(const float *logits, uint32_t n_vocab, uint32_t token);

#endif
