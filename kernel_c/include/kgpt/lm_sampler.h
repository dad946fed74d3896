/* Which token comes next: llama.cpp's samplers, in its order and with its names.
 *
 *   logit_bias, penalties (repeat, frequency, presence, over the last repeat_last_n), top_k, typical_p, top_p, min_p, temperature, draw */
#ifndef KGPT_LM_SAMPLER_H
#define KGPT_LM_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/random.h"
#include "kgpt/status.h"

#define KG_MAX_BIASES 32

struct kg_logit_bias {
    uint32_t token;
    float bias;
};

struct kg_lm_sampling {
    float temperature;                         /* 0: always the most likely; default 0.8 */
    uint32_t top_k;                            /* 0: off; default 40 */
    float typical_p;                           /* 1: off; default 1 */
    float top_p;                               /* 1: off; default 0.95 */
    float min_p;                               /* 0: off; default 0.05 */
    uint32_t repeat_last_n;                    /* default 64; 0: no penalties */
    float repeat_penalty;                      /* 1: off; default 1 */
    float frequency_penalty, presence_penalty; /* 0: off; default 0 */
    struct kg_logit_bias bias[KG_MAX_BIASES];
    uint32_t n_biases;
};

void kg_lm_sampling_defaults(struct kg_lm_sampling *sampling);

struct kg_lm_candidate {
    uint32_t id;
    float logit;
    float p;
};

struct kg_lm_sampler {
    uint32_t n_vocab;
    struct kg_lm_candidate *candidates, *spare; /* (n_vocab) each */
    uint16_t *counts; /* (n_vocab): how often a token is among the last ones; zeros between two calls */
};

uint64_t kg_lm_sampler_size(uint32_t n_vocab);
enum kg_status kg_lm_sampler_init(struct kg_lm_sampler *sampler, uint32_t n_vocab, struct kg_arena *arena);

/* `last` (n_last) are the tokens before, the newest at the end. One draw from `random`, none at temperature 0. Ties go to the lower id. */
uint32_t kg_lm_sample(struct kg_lm_sampler *sampler, const struct kg_lm_sampling *sampling, const float *logits,
                      const uint32_t *last, uint32_t n_last, struct kg_random *random);

/* The `n` most likely tokens by the logits alone, with the natural logarithm of their probability in `p`. `out` (n). */
void kg_lm_logprobs(struct kg_lm_sampler *sampler, const float *logits, struct kg_lm_candidate *out, uint32_t n);

/* ln of the probability of one token. */
float kg_lm_logprob(const float *logits, uint32_t n_vocab, uint32_t token);

#endif
