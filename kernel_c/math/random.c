/* xoshiro256++: see kgpt/random.h. */
#include "kgpt/random.h"

#define KG_GOLDEN 0x9E3779B97F4A7C15u /* 2^64 / phi, odd: its multiples are distinct */

uint64_t kg_splitmix64(uint64_t *state)
{
    uint64_t z = *state += KG_GOLDEN;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

void kg_random_seed(struct kg_random *random, uint64_t seed, uint64_t stream)
{
    uint64_t state = seed + KG_GOLDEN * (2 * stream + 1);
    for (int i = 0; i < 4; i++) {
        random->s[i] = kg_splitmix64(&state);
    }
}

static uint64_t rotate_left(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

uint64_t kg_random_next(struct kg_random *random)
{
    uint64_t *s = random->s;
    uint64_t result = rotate_left(s[0] + s[3], 23) + s[0];
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

float kg_random_uniform(struct kg_random *random)
{
    return (float)(kg_random_next(random) >> 40) * 0x1p-24f;
}
