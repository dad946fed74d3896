/* Which token comes next. The order is llama.cpp's: top_k, top_p, min_p, temperature. */
#ifndef KGPT_SAMPLER_H
#define KGPT_SAMPLER_H

#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/error.h"
#include "kgpt/random.h"

struct kg_sampling {
    float temperature; /* 0: always the most likely */
    uint32_t top_k;    /* keep this many; 0: off */
    float top_p;       /* keep the most likely that together reach this probability; 1: off */
    float min_p;       /* keep those at least this likely, relative to the most likely; 0: off */
};

struct kg_candidate {
    uint32_t id;
    float logit;
    float weight;
};

struct kg_sampler {
    uint32_t n_vocab;
    struct kg_candidate *candidates; /* (n_vocab): scratch */
};

uint64_t kg_sampler_size(uint32_t n_vocab); /* bytes taken from an arena */
enum kg_status kg_sampler_init(struct kg_sampler *sampler, uint32_t n_vocab, struct kg_arena *arena);

/* One draw from `random`, none at temperature 0. */
uint32_t kg_sample(struct kg_sampler *sampler, const struct kg_sampling *sampling, const float *logits,
                   struct kg_random *random);

#endif
