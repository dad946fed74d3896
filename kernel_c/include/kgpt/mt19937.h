/* Random numbers of CPython's `random` module, so that training reproduces a Python program: MT19937 (Matsumoto and
 * Nishimura) and CPython's random(), shuffle(), gauss() and choices(). */
#ifndef KGPT_MT19937_H
#define KGPT_MT19937_H

#include <stdbool.h>
#include <stdint.h>

#define KG_MT19937_WORDS 624

struct kg_mt19937 {
    uint32_t state[KG_MT19937_WORDS];
    uint32_t at;       /* index of the next word; KG_MT19937_WORDS: generate new words first */
    uint32_t has_next; /* gauss generates pairs: nonzero if gauss_next holds the second number */
    double gauss_next;
};

void kg_mt19937_seed(struct kg_mt19937 *random, uint64_t seed); /* random.seed(int) */
uint32_t kg_mt19937_next(struct kg_mt19937 *random);            /* random.getrandbits(32) */
double kg_mt19937_random(struct kg_mt19937 *random);            /* random.random(): 53 bits in [0, 1) */

/* random.randrange(n) as shuffle and choice use it; n >= 1. */
uint32_t kg_mt19937_below(struct kg_mt19937 *random, uint32_t n);
void kg_mt19937_shuffle(struct kg_mt19937 *random, uint32_t *items, uint32_t n);
double kg_mt19937_gauss(struct kg_mt19937 *random, double mu, double sigma);

/* random.choices(range(n), weights)[0]. Weights are not negative and their sum is positive. `cumulative` (n) is
 * scratch. */
uint32_t kg_mt19937_choose(struct kg_mt19937 *random, const double *weights, uint32_t n, double *cumulative);

#endif
