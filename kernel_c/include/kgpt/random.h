/* xoshiro256++ (Blackman and Vigna) with an independent stream for each sample of a run. */
#ifndef KGPT_RANDOM_H
#define KGPT_RANDOM_H

#include <stdint.h>

struct kg_random {
    uint64_t s[4];
};

uint64_t kg_splitmix64(uint64_t *state);
void kg_random_seed(struct kg_random *random, uint64_t seed, uint64_t stream);
uint64_t kg_random_next(struct kg_random *random);
float kg_random_uniform(struct kg_random *random); /* [0, 1): from the top 24 bits of the next word */

#endif
