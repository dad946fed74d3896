/* Which token comes next: see kgpt/sampler.h. All in single precision and in one order, so that a seed gives the same
 * tokens everywhere. */
#include "kgpt/sampler.h"

#include <stdbool.h>

#include "kgpt/math.h"

uint64_t kg_sampler_size(uint32_t n_vocab)
{
    return kg_arena_cost((size_t)n_vocab * sizeof(struct kg_candidate));
}

enum kg_status kg_sampler_init(struct kg_sampler *sampler, uint32_t n_vocab, struct kg_arena *arena)
{
    sampler->n_vocab = n_vocab;
    sampler->candidates = kg_arena_take(arena, (size_t)n_vocab * sizeof(struct kg_candidate));
    return sampler->candidates ? KG_OK : KG_E_MEMORY;
}

/* A total order, so that the result of sorting does not depend on how it is done. */
static bool before(const struct kg_candidate *a, const struct kg_candidate *b)
{
    return a->logit != b->logit ? a->logit > b->logit : a->id < b->id;
}

/* Lets the candidate at `root` sink to its place in a heap of n whose top is the one that comes last. */
static void sink(struct kg_candidate *heap, uint32_t root, uint32_t n)
{
    struct kg_candidate moving = heap[root];
    for (;;) {
        uint64_t child = 2 * (uint64_t)root + 1;
        if (child >= n) {
            break;
        }
        child += child + 1 < n && before(&heap[child], &heap[child + 1]);
        if (!before(&moving, &heap[child])) {
            break;
        }
        heap[root] = heap[child];
        root = (uint32_t)child;
    }
    heap[root] = moving;
}

static void sort(struct kg_candidate *candidates, uint32_t n)
{
    for (uint32_t i = n / 2; i > 0; i--) {
        sink(candidates, i - 1, n);
    }
    for (uint32_t end = n; end > 1; end--) {
        struct kg_candidate last = candidates[0];
        candidates[0] = candidates[end - 1];
        candidates[end - 1] = last;
        sink(candidates, 0, end - 1);
    }
}

/* weight of each = exp((logit - largest) / temperature); returns their sum, taken in the candidates' order */
static float weigh(struct kg_candidate *candidates, uint32_t n, float temperature)
{
    float sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        candidates[i].weight = kg_expf((candidates[i].logit - candidates[0].logit) / temperature);
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

/* How many of the sorted candidates remain. Each filter sees the probabilities among those that the one before it kept, as
 * in llama.cpp; min_p compares ratios, which do not change. */
static uint32_t filter(struct kg_candidate *candidates, uint32_t n, const struct kg_sampling *sampling)
{
    uint32_t kept = sampling->top_k && sampling->top_k < n ? sampling->top_k : n;
    if (sampling->top_p < 1 || sampling->min_p > 0) {
        float sum = weigh(candidates, kept, 1.0f);
        if (sampling->top_p < 1) {
            kept = keep_top_p(candidates, kept, sum, sampling->top_p);
        }
        if (sampling->min_p > 0) {
            kept = keep_min_p(candidates, kept, sum, sampling->min_p);
        }
    }
    return kept;
}

static uint32_t most_likely(const float *logits, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return best;
}

uint32_t kg_sample(struct kg_sampler *sampler, const struct kg_sampling *sampling, const float *logits,
                   struct kg_random *random)
{
    struct kg_candidate *candidates = sampler->candidates;
    if (sampling->temperature == 0) {
        return most_likely(logits, sampler->n_vocab);
    }
    for (uint32_t i = 0; i < sampler->n_vocab; i++) {
        candidates[i] = (struct kg_candidate){.id = i, .logit = logits[i]};
    }
    sort(candidates, sampler->n_vocab);
    uint32_t n = filter(candidates, sampler->n_vocab, sampling);
    float threshold = kg_random_uniform(random) * weigh(candidates, n, sampling->temperature);
    float cumulative = 0;
    for (uint32_t i = 0; i < n; i++) {
        cumulative += candidates[i].weight;
        if (cumulative > threshold) {
            return candidates[i].id;
        }
    }
    return candidates[n - 1].id;
}
