/* CPython's random numbers: see kgpt/mt19937.h. */
#include "kgpt/mt19937.h"

#include "kgpt/dmath.h"

#define KG_N KG_MT19937_WORDS
#define KG_M 397
#define KG_TWIST 0x9908B0DFu
#define KG_UPPER 0x80000000u
#define KG_LOWER 0x7FFFFFFFu
#define KG_TWO_PI 0x1.921fb54442d18p+2

static void seed_by_word(struct kg_mt19937 *random, uint32_t word)
{
    uint32_t *state = random->state;
    state[0] = word;
    for (uint32_t i = 1; i < KG_N; i++) {
        state[i] = 1812433253u * (state[i - 1] ^ state[i - 1] >> 30) + i;
    }
}

static uint32_t mix_word(const uint32_t *state, uint32_t i, uint32_t factor)
{
    return state[i] ^ (state[i - 1] ^ state[i - 1] >> 30) * factor;
}

/* The index after i. After the last word, state[0] becomes a copy of it, and the index is 1. */
static uint32_t word_after(uint32_t *state, uint32_t i)
{
    if (++i < KG_N) {
        return i;
    }
    state[0] = state[KG_N - 1];
    return 1;
}

void kg_mt19937_seed(struct kg_mt19937 *random, uint64_t seed)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t n_key = key[1] ? 2 : 1;
    uint32_t *state = random->state, i = 1;
    seed_by_word(random, 19650218u);
    for (uint32_t k = 0; k < KG_N; k++) {
        state[i] = mix_word(state, i, 1664525u) + key[k % n_key] + k % n_key;
        i = word_after(state, i);
    }
    for (uint32_t k = 0; k < KG_N - 1; k++) {
        state[i] = mix_word(state, i, 1566083941u) - i;
        i = word_after(state, i);
    }
    state[0] = KG_UPPER;
    random->at = KG_N;
    random->has_next = 0;
    random->gauss_next = 0;
}

static void make_words(uint32_t *state)
{
    for (uint32_t i = 0; i < KG_N; i++) {
        uint32_t y = (state[i] & KG_UPPER) | (state[(i + 1) % KG_N] & KG_LOWER);
        state[i] = state[(i + KG_M) % KG_N] ^ y >> 1 ^ (y & 1 ? KG_TWIST : 0);
    }
}

uint32_t kg_mt19937_next(struct kg_mt19937 *random)
{
    if (random->at >= KG_N) {
        make_words(random->state);
        random->at = 0;
    }
    uint32_t y = random->state[random->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9D2C5680u;
    y ^= y << 15 & 0xEFC60000u;
    return y ^ y >> 18;
}

double kg_mt19937_random(struct kg_mt19937 *random)
{
    uint32_t high = kg_mt19937_next(random) >> 5, low = kg_mt19937_next(random) >> 6;
    return ((double)high * 67108864.0 + (double)low) * 0x1p-53;
}

uint32_t kg_mt19937_below(struct kg_mt19937 *random, uint32_t n)
{
    int unused = __builtin_clz(n); /* leading zero bits of n */
    uint32_t drawn;
    do {
        drawn = kg_mt19937_next(random) >> unused;
    } while (drawn >= n);
    return drawn;
}

void kg_mt19937_shuffle(struct kg_mt19937 *random, uint32_t *items, uint32_t n)
{
    for (uint32_t i = n; i-- > 1;) {
        uint32_t j = kg_mt19937_below(random, i + 1), item = items[i];
        items[i] = items[j];
        items[j] = item;
    }
}

/* Box-Muller transform: two normal numbers from one angle and one radius. */
static double gauss_pair(struct kg_mt19937 *random)
{
    double angle = kg_mt19937_random(random) * KG_TWO_PI;
    double radius = kg_sqrt(-2.0 * kg_log(1.0 - kg_mt19937_random(random)));
    random->gauss_next = kg_sin(angle) * radius;
    return kg_cos(angle) * radius;
}

double kg_mt19937_gauss(struct kg_mt19937 *random, double mu, double sigma)
{
    double z = random->has_next ? random->gauss_next : gauss_pair(random);
    random->has_next = !random->has_next;
    return mu + z * sigma;
}

uint32_t kg_mt19937_choose(struct kg_mt19937 *random, const double *weights, uint32_t n, double *cumulative)
{
    double total = 0;
    for (uint32_t i = 0; i < n; i++) {
        cumulative[i] = total = i ? total + weights[i] : weights[i];
    }
    double drawn = kg_mt19937_random(random) * total;
    uint32_t low = 0, high = n - 1; /* bisect_right, clamped to the last index */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (drawn < cumulative[middle]) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}
