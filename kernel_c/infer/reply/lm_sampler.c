/* The filters of a language model's sampler: see kgpt/sampling.h. kgpt_build/reference/lm_sampler.py does the same, bit
 * for bit.
 *
 * A vocabulary has up to 256,000 tokens, and most calls need the best 40 or the best one. Greedy sampling and top_k
 * therefore read the logits once and sort only the best. */
#include "kgpt/lm_sampler.h"

#include "kgpt/dmath.h"
#include "kgpt/math.h"
#include "kgpt/mem.h"

#define BIASED 0x8000u /* in counts: the token has a bias */
#define COUNT_MAX 0x7FFFu

static const float lowest = -__builtin_inff();

void kg_lm_sampling_defaults(struct kg_sampling *sampling)
{
    memset(sampling, 0, sizeof *sampling);
#define KG_SAMPLING(name, kind, values, where, otherwise, unit, help, words) \
    KG_PRESUME_##kind(sampling->name, otherwise)
#define KG_LM_SAMPLING KG_SAMPLING
#define KG_LM_SAMPLED(name, otherwise) sampling->name = otherwise;
#include "kgpt/options.def"
}

/* One call. A token is *touched* if a penalty or a bias changes its logit: counts[] marks it. */
struct selection {
    const struct kg_sampling *sampling;
    const float *logits;
    uint32_t n_vocab;
    const uint32_t *allowed; /* a bit for each token; NULL: all are */
    uint16_t *counts;
    const uint32_t *window; /* the tokens that get penalties */
    uint32_t n_window;
};

static float number(float logit)
{
    return logit == logit ? logit : lowest;
}

static bool is_allowed(const struct selection *selection, uint32_t token)
{
    return !selection->allowed || (selection->allowed[token / 32] >> token % 32 & 1);
}

static void mark_touched(struct selection *selection, const uint32_t *last, uint32_t n_last)
{
    const struct kg_sampling *sampling = selection->sampling;
    bool penalties =
        sampling->repeat_penalty != 1 || sampling->frequency_penalty != 0 || sampling->presence_penalty != 0;
    uint32_t n = !penalties ? 0 : sampling->repeat_last_n < n_last ? sampling->repeat_last_n : n_last;
    selection->window = n > 0 ? last + (n_last - n) : last;
    selection->n_window = n;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t token = selection->window[i];
        if (token < selection->n_vocab && selection->counts[token] < COUNT_MAX) {
            selection->counts[token]++;
        }
    }
    for (uint32_t i = 0; i < sampling->n_biases; i++) {
        if (sampling->logit_bias[i].token < selection->n_vocab) {
            selection->counts[sampling->logit_bias[i].token] |= BIASED;
        }
    }
}

/* The logit of a touched token. */
static float adjusted(const struct selection *selection, uint32_t token)
{
    const struct kg_sampling *sampling = selection->sampling;
    uint32_t count = selection->counts[token] & COUNT_MAX;
    float logit = number(selection->logits[token]);
    for (uint32_t i = 0; i < sampling->n_biases && (selection->counts[token] & BIASED); i++) {
        logit += sampling->logit_bias[i].token == token ? sampling->logit_bias[i].bias : 0;
    }
    if (count > 0) {
        logit = logit <= 0 ? logit * sampling->repeat_penalty : logit / sampling->repeat_penalty;
        logit -= (float)count * sampling->frequency_penalty + sampling->presence_penalty;
    }
    return number(logit);
}

/* Returns the touched tokens one by one and removes their marks. False at the end. */
static bool next_touched(const struct selection *selection, uint32_t *cursor, struct kg_candidate *candidate)
{
    uint32_t n = selection->n_window + selection->sampling->n_biases;
    while (*cursor < n) {
        uint32_t i = (*cursor)++;
        uint32_t token = i < selection->n_window ? selection->window[i]
                                                 : selection->sampling->logit_bias[i - selection->n_window].token;
        if (token < selection->n_vocab && selection->counts[token]) {
            *candidate = (struct kg_candidate){.id = token, .logit = adjusted(selection, token)};
            selection->counts[token] = 0;
            return true;
        }
    }
    return false;
}

static void make_heap(struct kg_candidate *heap, uint32_t n)
{
    for (uint32_t i = n / 2; i > 0; i--) {
        kg_candidates_sink(heap, i - 1, n);
    }
}

/* Adds a candidate to the *n best so far, or replaces the worst of them when there are k, which form a heap. */
static void offer_candidate(struct kg_candidate *best, uint32_t *n, uint32_t k, struct kg_candidate candidate)
{
    if (*n < k) {
        best[(*n)++] = candidate;
        if (*n == k) {
            make_heap(best, k);
        }
    } else if (kg_candidate_before(&candidate, &best[0])) {
        best[0] = candidate;
        kg_candidates_sink(best, 0, k);
    }
}

/* The k largest logits, 0 < k <= n_vocab, of allowed tokens, sorted. Returns how many they are. */
static uint32_t select_best(const struct selection *selection, struct kg_candidate *best, uint32_t k)
{
    struct kg_candidate candidate;
    uint32_t n = 0, cursor = 0;
    for (uint32_t i = 0; i < selection->n_vocab; i++) {
        if ((n == k && selection->logits[i] < best[0].logit) || selection->counts[i]) {
            continue; /* most tokens are skipped by the first comparison */
        }
        if (is_allowed(selection, i)) {
            offer_candidate(best, &n, k, (struct kg_candidate){.id = i, .logit = number(selection->logits[i])});
        }
    }
    while (next_touched(selection, &cursor, &candidate)) {
        if (is_allowed(selection, candidate.id)) {
            offer_candidate(best, &n, k, candidate);
        }
    }
    kg_candidates_sort(best, n);
    return n;
}

/* Eight bits of a sort key that is smaller for a larger logit. -0 counts as 0. */
static uint32_t digit_of(float logit, uint32_t shift)
{
    union {
        float value;
        uint32_t bits;
    } u = {.value = logit + 0.0f};
    return (u.bits >> 31 ? u.bits : u.bits ^ 0x7fffffff) >> shift & 0xff;
}

/* Candidates in the order of their ids, sorted: radix sort, the lowest digit first, whose passes keep the order of
 * equal ones. A heap of 262,144 candidates takes ten times as long. `spare` (n) is overwritten. */
static void sort_all(struct kg_candidate *candidates, struct kg_candidate *spare, uint32_t n)
{
    struct kg_candidate *from = candidates, *to = spare;
    for (uint32_t shift = 0; shift < 32; shift += 8) {
        uint32_t places[257] = {0};
        for (uint32_t i = 0; i < n; i++) {
            places[digit_of(from[i].logit, shift) + 1]++;
        }
        for (uint32_t digit = 0; digit < 256; digit++) {
            places[digit + 1] += places[digit];
        }
        for (uint32_t i = 0; i < n; i++) {
            to[places[digit_of(from[i].logit, shift)]++] = from[i];
        }
        struct kg_candidate *swapped = from;
        from = to;
        to = swapped;
    }
}

/* Sorts all allowed tokens. Returns how many they are. */
static uint32_t take_all(const struct selection *selection, struct kg_candidate *candidates, struct kg_candidate *spare)
{
    struct kg_candidate candidate;
    uint32_t cursor = 0, n = 0;
    for (uint32_t i = 0; i < selection->n_vocab; i++) {
        if (is_allowed(selection, i)) {
            float logit = selection->counts[i] ? adjusted(selection, i) : number(selection->logits[i]);
            candidates[n++] = (struct kg_candidate){.id = i, .logit = logit};
        }
    }
    while (next_touched(selection, &cursor, &candidate)) { /* removes the marks */
    }
    sort_all(candidates, spare, n);
    return n;
}

/* Keeps the candidates nearest to the entropy until they sum to more than typical_p, in their order. */
static uint32_t keep_typical(struct kg_sampler *sampler, uint32_t n, float typical_p)
{
    struct kg_candidate *candidates = sampler->candidates, *heap = sampler->spare;
    float all = kg_candidates_weigh(candidates, n, 1);
    double entropy = 0, sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        double p = candidates[i].weight /= all;
        entropy -= p > 0 ? p * kg_log(p) : 0;
    }
    for (uint32_t i = 0; i < n;
         i++) { /* in the heap the logit is the distance, and the id counts places from the last one */
        double distance = -kg_log(candidates[i].weight) - entropy;
        heap[i].id = n - 1 - i;
        heap[i].logit = candidates[i].weight > 0 ? (float)(distance < 0 ? -distance : distance) : -lowest;
    }
    make_heap(heap, n);
    for (uint32_t left = n; left > 0 && sum <= typical_p;) {
        struct kg_candidate *candidate = &candidates[n - 1 - heap[0].id];
        sum += candidate->weight;
        candidate->weight = -1; /* chosen */
        heap[0] = heap[--left];
        kg_candidates_sink(heap, 0, left);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (candidates[i].weight < 0) {
            candidates[kept++] = candidates[i];
        }
    }
    return kept;
}

static uint32_t select_candidates(struct kg_sampler *sampler, const struct kg_sampling *sampling, const float *logits,
                                  const uint32_t *last, uint32_t n_last)
{
    struct selection selection = {.sampling = sampling,
                                  .logits = logits,
                                  .n_vocab = sampler->n_vocab,
                                  .allowed = sampler->allowed,
                                  .counts = sampler->counts};
    struct kg_candidate *candidates = sampler->candidates;
    bool greedy = sampling->temperature == 0, typical = sampling->typical_p < 1;
    uint32_t n = sampling->top_k && sampling->top_k < sampler->n_vocab ? sampling->top_k : sampler->n_vocab;
    n = greedy && !typical ? 1 : n; /* no other filter removes the most likely token */
    mark_touched(&selection, last, n_last);
    n = n < sampler->n_vocab ? select_best(&selection, candidates, n)
                             : take_all(&selection, candidates, sampler->spare);
    return typical ? keep_typical(sampler, n, sampling->typical_p) : n;
}

/* ln of the sum of exp(logit - largest) over the vocabulary. */
static double log_sum(const float *logits, uint32_t n, float largest)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        float logit = number(logits[i]);
        sum += logit == largest ? 1.0f : kg_expf(logit - largest);
    }
    return kg_log(sum);
}

static float log_probability(float logit, float largest, double log_of_sum)
{
    return logit == largest ? (float)-log_of_sum : (float)((double)logit - largest - log_of_sum);
}

void kg_lm_logprobs(struct kg_sampler *sampler, const float *logits, struct kg_logprob *out, uint32_t n)
{
    static const struct kg_sampling plain = {0};
    struct selection selection = {
        .sampling = &plain, .logits = logits, .n_vocab = sampler->n_vocab, .counts = sampler->counts};
    if (n == 0) {
        return;
    }
    const struct kg_candidate *best = sampler->candidates;
    (void)select_best(&selection, sampler->candidates, n);
    double log_of_sum = log_sum(logits, sampler->n_vocab, best[0].logit);
    for (uint32_t i = 0; i < n; i++) {
        out[i] = (struct kg_logprob){best[i].id, log_probability(best[i].logit, best[0].logit, log_of_sum)};
    }
}

float kg_lm_logprob(const float *logits, uint32_t n_vocab, uint32_t token)
{
    float largest = lowest;
    for (uint32_t i = 0; i < n_vocab; i++) {
        largest = logits[i] > largest ? logits[i] : largest;
    }
    return log_probability(number(logits[token]), largest, log_sum(logits, n_vocab, largest));
}

static float rate_token(struct kg_sampler *sampler, const float *logits, uint32_t token, struct kg_logprob *top,
                        uint32_t n)
{
    kg_lm_logprobs(sampler, logits, top, n);
    return kg_lm_logprob(logits, sampler->n_vocab, token);
}

static const struct kg_sampler_more more = {.select = select_candidates, .logprobs = rate_token};
static const struct kg_sampler_more llama2c_more = {.select = kg_llama2c_select, .logprobs = rate_token};

void kg_lm_sampler_use(struct kg_sampler *sampler, enum kg_rng rng, uint64_t seed)
{
    sampler->more = rng == KG_RNG_LLAMA2C ? &llama2c_more : &more;
    sampler->xorshift = seed;
}

void kg_lm_sampler_carve(struct kg_sampler *sampler, uint32_t n_vocab, struct kg_arena *arena)
{
    kg_sampler_carve(sampler, n_vocab, arena);
    sampler->more = &more;
    sampler->spare = kg_arena_array(arena, n_vocab, sizeof(struct kg_candidate));
    sampler->counts = kg_arena_array(arena, n_vocab, sizeof(uint16_t));
}
