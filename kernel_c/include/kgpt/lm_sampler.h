/* The part of the sampler that only kernels for language models link: kgpt/sampling.h says what it does. A
 * vocabulary of 256,000 tokens is gone over once where greedy or top_k want a few of them. */
#ifndef KGPT_LM_SAMPLER_H
#define KGPT_LM_SAMPLER_H

#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/sampler.h"

/* llama.cpp's, as options.def says them. */
void kg_lm_sampling_defaults(struct kg_sampling *sampling);

/* A sampler with all filters, from an arena that counts or has room for it. A logit that is no number counts as
 * minus infinity. */
void kg_lm_sampler_carve(struct kg_sampler *sampler, uint32_t n_vocab, struct kg_arena *arena);

/* The `n` (at most n_vocab) most likely tokens by the logits alone. `out` (n). */
void kg_lm_logprobs(struct kg_sampler *sampler, const float *logits, struct kg_logprob *out, uint32_t n);

/* ln of the probability of one token by the logits alone. */
float kg_lm_logprob(const float *logits, uint32_t n_vocab, uint32_t token);

#endif
