/* Sampling parameters: llama.cpp's samplers, in its order and with its names. Each filter uses the probabilities
 * among the tokens that the previous filter kept.
 *
 *   (a grammar   allows tokens: see kgpt/matcher.h)
 *   logit_bias   adds to the logits of tokens
 *   penalties    for tokens among the last repeat_last_n: logit / repeat_penalty if positive, else * repeat_penalty;
 *                then minus frequency_penalty * occurrences, minus presence_penalty
 *   top_k        keeps the k largest logits
 *   typical_p    keeps tokens whose -ln p is nearest to the entropy, until their p sum to more than typical_p
 *   top_p        keeps the most likely tokens until their p sum to at least top_p
 *   min_p        keeps tokens whose p is at least min_p times the largest
 *   temperature  divides the logits; then one token is drawn by its probability */
#ifndef KGPT_SAMPLING_H
#define KGPT_SAMPLING_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/options.h"

/* Where random numbers come from: kgpt/random.h, or llama2.c's run.c with its sampler (kgpt/lm_sampler.h). */
enum kg_rng {
    KG_RNG_KGPT,
    KG_RNG_LLAMA2C,
};

struct kg_logit_bias {
    uint32_t token;
    float bias;
};

/* options.def documents the members. A microgpt uses only the rows KG_SAMPLING. */
struct kg_sampling {
#define KG_SAMPLING(name, kind, values, where, otherwise, unit, help, words) KG_MEMBER(name, kind, values)
#define KG_LM_SAMPLING(name, kind, values, where, otherwise, unit, help, words) KG_MEMBER(name, kind, values)
#define KG_LM_BIASES(name, kind, values, where, otherwise, unit, help, words) KG_MEMBER(name, kind, values)
#include "kgpt/options.def"
    uint32_t n_biases; /* used entries of logit_bias */
};

struct kg_logprob {
    uint32_t id;
    float ln_p;
};

#endif
