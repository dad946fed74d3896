/* Which token comes next: see kgpt/sampler.h. All in single precision and in one order, so that a seed gives the same
 * tokens everywhere. */
#include "kgpt/sampler.h"

#include "kgpt/math.h"

#define KG_NOT_INLINE __attribute__((noinline)) /* called from two places of a small kernel */

void kg_sampler_carve(struct kg_sampler *sampler, uint32_t n_vocab, struct kg_arena *arena)
{
    *sampler = (struct kg_sampler){.n_vocab = n_vocab};
    sampler->candidates = kg_arena_array(arena, n_vocab, sizeof(struct kg_candidate));
}

bool kg_candidate_before(const struct kg_candidate *a, const struct kg_candidate *b)
{
    return a->logit != b->logit ? a->logit > b->logit : a->id < b->id;
}

KG_NOT_INLINE void kg_candidates_sink(struct kg_candidate *heap, uint32_t root, uint32_t n)
{
    struct kg_candidate moving = heap[root];
    for (;;) {
        uint64_t child = 2 * (uint64_t)root + 1;
        if (child >= n) {
            break;
        }
        child += child + 1 < n && kg_candidate_before(&heap[child], &heap[child + 1]);
        if (!kg_candidate_before(&moving, &heap[child])) {
            break;
        }
        heap[root] = heap[child];
        root = (uint32_t)child;
    }
    heap[root] = moving;
}

/* Heapsort: in place, O(n log n) in the worst case. */
void kg_candidates_sort(struct kg_candidate *candidates, uint32_t n)
{
    for (uint32_t i = n / 2; i > 0; i--) {
        kg_candidates_sink(candidates, i - 1, n);
    }
    for (uint32_t end = n; end > 1; end--) {
        struct kg_candidate last = candidates[0];
        candidates[0] = candidates[end - 1];
        candidates[end - 1] = last;
        kg_candidates_sink(candidates, 0, end - 1);
    }
}

KG_NOT_INLINE float kg_candidates_weigh(struct kg_candidate *candidates, uint32_t n, float temperature)
{
    float sum = 0, largest = candidates[0].logit;
    for (uint32_t i = 0; i < n; i++) {
        float logit = candidates[i].logit;
        candidates[i].weight = logit == largest ? 1.0f : kg_expf((logit - largest) / temperature);
        sum += candidates[i].weight;
    }
    return sum;
}

/* The shortest start whose probabilities reach top_p. */
static uint32_t keep_top_p(const struct kg_candidate *candidates, uint32_t n, float sum, float top_p)
{
    float cumulative = 0;
    for (uint32_t i = 0; i < n; i++) {
        cumulative += candidates[i].weight / sum;
        if (cumulative >= top_p) {
            return i + 1;
        }
    }
    return n;
}

/* Those whose probability is at least min_p times the largest. */
static uint32_t keep_min_p(const struct kg_candidate *candidates, uint32_t n, float sum, float min_p)
{
    float least = min_p * (candidates[0].weight / sum);
    uint32_t kept = 1;
    while (kept < n && candidates[kept].weight / sum >= least) {
        kept++;
    }
    return kept;
}

/* min_p compares ratios, which top_p does not change. */
uint32_t kg_candidates_filter(struct kg_candidate *candidates, uint32_t n, float top_p, float min_p)
{
    if (top_p < 1 || min_p > 0) {
        float sum = kg_candidates_weigh(candidates, n, 1.0f);
        if (top_p < 1) {
            n = keep_top_p(candidates, n, sum, top_p);
        }
        if (min_p > 0) {
            n = keep_min_p(candidates, n, sum, min_p);
        }
    }
    return n;
}

uint32_t kg_candidates_draw(const struct kg_candidate *candidates, uint32_t n, float sum, struct kg_random *random)
{
    float threshold = kg_random_uniform(random) * sum, cumulative = 0;
    for (uint32_t i = 0; i < n; i++) {
        cumulative += candidates[i].weight;
        if (cumulative > threshold) {
            return candidates[i].id;
        }
    }
    return candidates[n - 1].id;
}

static uint32_t most_likely(const float *logits, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return best;
}

/* A microgpt's: top_k of the sorted vocabulary. */
static uint32_t select_top_k(struct kg_candidate *candidates, const struct kg_sampling *sampling, const float *logits,
                             uint32_t n)
{
    if (sampling->temperature == 0) {
        uint32_t best = most_likely(logits, n);
        candidates[0] = (struct kg_candidate){.id = best, .logit = logits[best]};
        return 1;
    }
    for (uint32_t i = 0; i < n; i++) {
        candidates[i] = (struct kg_candidate){.id = i, .logit = logits[i]};
    }
    kg_candidates_sort(candidates, n);
    return sampling->top_k && sampling->top_k < n ? sampling->top_k : n;
}

uint32_t kg_candidates_choose(struct kg_sampler *sampler, const struct kg_sampling *sampling, const float *logits,
                              const uint32_t *last, uint32_t n_last, float *sum)
{
    struct kg_candidate *candidates = sampler->candidates;
    bool greedy = sampling->temperature == 0;
    uint32_t n = sampler->more ? sampler->more->select(sampler, sampling, logits, last, n_last)
                               : select_top_k(candidates, sampling, logits, sampler->n_vocab);
    n = greedy ? 1 : kg_candidates_filter(candidates, n, sampling->top_p, sampling->min_p);
    *sum = kg_candidates_weigh(candidates, n, greedy ? 1 : sampling->temperature);
    return n;
}

uint32_t kg_sample(struct kg_sampler *sampler, const struct kg_sampling *sampling, const float *logits,
                   const uint32_t *last, uint32_t n_last, struct kg_random *random)
{
    float sum;
    uint32_t n = kg_candidates_choose(sampler, sampling, logits, last, n_last, &sum);
    return sampling->temperature == 0 ? sampler->candidates[0].id
                                      : kg_candidates_draw(sampler->candidates, n, sum, random);
}
