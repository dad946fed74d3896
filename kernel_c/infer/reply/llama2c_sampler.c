/* The generator and the sampler of llama2.c's run.c, operation by operation: see kgpt/lm_sampler.h.
 * kgpt_build/reference/llama2c_sampler.py does the same. All sums are in single precision, and in run.c's order.
 * expf is that of double precision, rounded: C libraries round nearly all values alike. */
#include "kgpt/dmath.h"
#include "kgpt/lm_sampler.h"

/* xorshift64*, whose upper 32 bits are the number. */
static uint32_t draw_xorshift(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)((*state * 0x2545F4914F6CDD1Du) >> 32);
}

static uint32_t take_largest(const float *logits, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return best;
}

/* The probabilities of all tokens, as the logits of candidates in the order of their ids. */
static void compute_softmax(struct kg_candidate *candidates, const float *logits, uint32_t n, float temperature)
{
    float largest = logits[0] / temperature, sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        candidates[i] = (struct kg_candidate){.id = i, .logit = logits[i] / temperature};
        largest = candidates[i].logit > largest ? candidates[i].logit : largest;
    }
    for (uint32_t i = 0; i < n; i++) {
        candidates[i].logit = (float)kg_exp((double)(candidates[i].logit - largest));
        sum += candidates[i].logit;
    }
    for (uint32_t i = 0; i < n; i++) {
        candidates[i].logit /= sum;
    }
}

/* The place of the first candidate whose probabilities up to it sum to more than `least`; the last one if there is
 * none. */
static uint32_t find_cumulative(const struct kg_candidate *candidates, uint32_t n, float least, float *cumulative)
{
    *cumulative = 0;
    for (uint32_t i = 0; i < n; i++) {
        *cumulative += candidates[i].logit;
        if (*cumulative > least) {
            return i;
        }
    }
    return n - 1;
}

/* Keeps the candidates that top_p could keep; the others are not sorted. run.c's qsort keeps the order of equal ones
 * (glibc's is a merge sort), and so does the total order of kg_candidate_before. */
static uint32_t sort_top_p(struct kg_candidate *candidates, uint32_t n, float top_p)
{
    float cutoff = (1.0f - top_p) / (float)(n - 1);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (candidates[i].logit >= cutoff) {
            candidates[kept++] = candidates[i];
        }
    }
    if (kept == 0) { /* no token is as likely as the cutoff, which run.c does not expect: keep the likeliest */
        kg_candidates_sort(candidates, n);
        return 1;
    }
    kg_candidates_sort(candidates, kept);
    return kept;
}

uint32_t kg_llama2c_select(struct kg_sampler *sampler, const struct kg_sampling *sampling, const float *logits,
                           const uint32_t *last, uint32_t n_last)
{
    struct kg_candidate *candidates = sampler->candidates;
    uint32_t n = sampler->n_vocab;
    (void)last;
    (void)n_last;
    if (sampling->temperature == 0) {
        candidates[0] = (struct kg_candidate){.id = take_largest(logits, n), .logit = 1};
        return 1;
    }
    compute_softmax(candidates, logits, n, sampling->temperature);
    float coin = (float)(draw_xorshift(&sampler->xorshift) >> 8) / 16777216.0f, cumulative;
    if (sampling->top_p < 1) {
        n = sort_top_p(candidates, n, sampling->top_p);
        n = find_cumulative(candidates, n, sampling->top_p, &cumulative) + 1;
        coin *= cumulative;
    }
    candidates[0] = candidates[find_cumulative(candidates, n, coin, &cumulative)];
    return 1;
}
