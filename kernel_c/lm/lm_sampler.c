/* llama.cpp's samplers: see kgpt/lm_sampler.h. kgpt_build/reference/lm_sampler.py does the same, bit for bit.
 *
 * A vocabulary has up to 256,000 tokens, and most calls want 40 of them or one: so greedy and top_k go over the logits once, and
 * what is not cut to k is ordered by a heap only as far as it is looked at. */
#include "kgpt/lm_sampler.h"

#include "kgpt/dmath.h"
#include "kgpt/math.h"

#define BIASED 0x8000u /* in counts: the token has a bias */
#define COUNT_MAX 0x7FFFu

static const float lowest = -__builtin_inff();

void kg_lm_sampling_defaults(struct kg_lm_sampling *sampling)
{
    *sampling = (struct kg_lm_sampling){
        .temperature = 0.8f,
        .top_k = 40,
        .typical_p = 1.0f,
        .top_p = 0.95f,
        .min_p = 0.05f,
        .repeat_last_n = 64,
        .repeat_penalty = 1.0f,
    };
}

uint64_t kg_lm_sampler_size(uint32_t n_vocab)
{
    return 2 * kg_arena_cost((size_t)n_vocab * sizeof(struct kg_lm_candidate)) +
           kg_arena_cost((size_t)n_vocab * sizeof(uint16_t));
}

enum kg_status kg_lm_sampler_init(struct kg_lm_sampler *sampler, uint32_t n_vocab, struct kg_arena *arena)
{
    sampler->n_vocab = n_vocab;
    sampler->candidates = kg_arena_take(arena, (size_t)n_vocab * sizeof(struct kg_lm_candidate));
    sampler->spare = kg_arena_take(arena, (size_t)n_vocab * sizeof(struct kg_lm_candidate));
    sampler->counts = kg_arena_take(arena, (size_t)n_vocab * sizeof(uint16_t));
    return sampler->candidates && sampler->spare && sampler->counts ? KG_OK : KG_E_MEMORY;
}

/* One call: its logits, and the tokens whose logits are not taken as they are ("touched"), each of which counts[] marks. */
struct request {
    const struct kg_lm_sampling *sampling;
    const float *logits;
    uint32_t n_vocab;
    uint16_t *counts;
    const uint32_t *window; /* the tokens that penalties look at */
    uint32_t n_window;
};

static float number(float logit)
{
    return logit == logit ? logit : lowest;
}

static void touch(struct request *request, const uint32_t *last, uint32_t n_last)
{
    const struct kg_lm_sampling *sampling = request->sampling;
    bool penalties =
        sampling->repeat_penalty != 1 || sampling->frequency_penalty != 0 || sampling->presence_penalty != 0;
    uint32_t n = !penalties ? 0 : sampling->repeat_last_n < n_last ? sampling->repeat_last_n : n_last;
    request->window = n > 0 ? last + (n_last - n) : last;
    request->n_window = n;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t token = request->window[i];
        if (token < request->n_vocab && request->counts[token] < COUNT_MAX) {
            request->counts[token]++;
        }
    }
    for (uint32_t i = 0; i < sampling->n_biases; i++) {
        if (sampling->bias[i].token < request->n_vocab) {
            request->counts[sampling->bias[i].token] |= BIASED;
        }
    }
}

/* The logit of a touched token. */
static float adjusted(const struct request *request, uint32_t token)
{
    const struct kg_lm_sampling *sampling = request->sampling;
    uint32_t count = request->counts[token] & COUNT_MAX;
    float logit = number(request->logits[token]);
    for (uint32_t i = 0; i < sampling->n_biases && (request->counts[token] & BIASED); i++) {
        logit += sampling->bias[i].token == token ? sampling->bias[i].bias : 0;
    }
    if (count > 0) {
        logit = logit <= 0 ? logit * sampling->repeat_penalty : logit / sampling->repeat_penalty;
        logit -= (float)count * sampling->frequency_penalty + sampling->presence_penalty;
    }
    return number(logit);
}

/* The touched tokens in turn, each once: it is no longer marked afterwards. False at the end. */
static bool next_touched(const struct request *request, uint32_t *cursor, struct kg_lm_candidate *candidate)
{
    uint32_t n = request->n_window + request->sampling->n_biases;
    while (*cursor < n) {
        uint32_t i = (*cursor)++;
        uint32_t token =
            i < request->n_window ? request->window[i] : request->sampling->bias[i - request->n_window].token;
        if (token < request->n_vocab && request->counts[token]) {
            *candidate = (struct kg_lm_candidate){.id = token, .logit = adjusted(request, token)};
            request->counts[token] = 0;
            return true;
        }
    }
    return false;
}

/* A total order, so that no result depends on how things are sorted. */
static bool before(const struct kg_lm_candidate *a, const struct kg_lm_candidate *b)
{
    return a->logit != b->logit ? a->logit > b->logit : a->id < b->id;
}

/* A heap has at its top the candidate that comes first, or the one that comes last. */
enum top {
    FIRST_ON_TOP,
    LAST_ON_TOP,
};

static void sink(struct kg_lm_candidate *heap, uint32_t root, uint32_t n, enum top top)
{
    struct kg_lm_candidate moving = heap[root];
    for (;;) {
        uint64_t child = 2 * (uint64_t)root + 1;
        if (child >= n) {
            break;
        }
        child += child + 1 < n && before(&heap[child + 1], &heap[child]) == (top == FIRST_ON_TOP);
        if (before(&heap[child], &moving) != (top == FIRST_ON_TOP)) {
            break;
        }
        heap[root] = heap[child];
        root = (uint32_t)child;
    }
    heap[root] = moving;
}

static void make_heap(struct kg_lm_candidate *heap, uint32_t n, enum top top)
{
    for (uint32_t i = n / 2; i > 0; i--) {
        sink(heap, i - 1, n, top);
    }
}

/* Takes the top off a heap of n candidates. */
static struct kg_lm_candidate take_top(struct kg_lm_candidate *heap, uint32_t n, enum top top)
{
    struct kg_lm_candidate taken = heap[0];
    heap[0] = heap[n - 1];
    sink(heap, 0, n - 1, top);
    return taken;
}

/* Offers a candidate to the `k` best so far, of which there are *n. */
static void offer(struct kg_lm_candidate *best, uint32_t *n, uint32_t k, struct kg_lm_candidate candidate)
{
    if (*n < k) {
        best[(*n)++] = candidate;
        if (*n == k) {
            make_heap(best, k, LAST_ON_TOP);
        }
    } else if (before(&candidate, &best[0])) {
        best[0] = candidate;
        sink(best, 0, k, LAST_ON_TOP);
    }
}

/* The k largest logits, 0 < k <= n_vocab, sorted. */
static void select_best(const struct request *request, struct kg_lm_candidate *best, uint32_t k)
{
    struct kg_lm_candidate candidate;
    uint32_t n = 0, cursor = 0;
    for (uint32_t i = 0; i < request->n_vocab; i++) {
        if ((n == k && request->logits[i] < best[0].logit) || request->counts[i]) {
            continue; /* nearly always by the first comparison */
        }
        offer(best, &n, k, (struct kg_lm_candidate){.id = i, .logit = number(request->logits[i])});
    }
    while (next_touched(request, &cursor, &candidate)) {
        offer(best, &n, k, candidate);
    }
    for (uint32_t end = n; end > 1; end--) {
        best[end - 1] = take_top(best, end, LAST_ON_TOP);
    }
}

/* All of the vocabulary, by id. */
static void take_all(const struct request *request, struct kg_lm_candidate *candidates)
{
    struct kg_lm_candidate candidate;
    uint32_t cursor = 0;
    for (uint32_t i = 0; i < request->n_vocab; i++) {
        candidates[i] = (struct kg_lm_candidate){.id = i, .logit = number(request->logits[i])};
    }
    while (next_touched(request, &cursor, &candidate)) {
        candidates[candidate.id] = candidate;
    }
}

/* Where the first candidate stands in the order of logits; 0 if they are sorted. */
static uint32_t first_of(const struct kg_lm_candidate *candidates, uint32_t n)
{
    uint32_t first = 0;
    for (uint32_t i = 1; i < n; i++) {
        first = before(&candidates[i], &candidates[first]) ? i : first;
    }
    return first;
}

/* p of each = its probability at the temperature. The largest is 1 before it is divided even if it is infinite. */
static void weigh(struct kg_lm_candidate *candidates, uint32_t n, float temperature)
{
    float largest = candidates[first_of(candidates, n)].logit;
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        float logit = candidates[i].logit;
        candidates[i].p = logit == largest ? 1.0f : kg_expf((logit - largest) / temperature);
        sum += candidates[i].p;
    }
    for (uint32_t i = 0; i < n; i++) {
        candidates[i].p = (float)(candidates[i].p / sum);
    }
}

/* The nearest to the entropy until they sum to more than typical_p; those that remain keep their order. */
static uint32_t keep_typical(struct kg_lm_sampler *sampler, uint32_t n, float typical_p)
{
    struct kg_lm_candidate *candidates = sampler->candidates, *heap = sampler->spare;
    double entropy = 0, sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        double p = candidates[i].p;
        entropy -= p > 0 ? p * kg_log(p) : 0;
    }
    for (uint32_t i = 0; i < n; i++) { /* in the heap, the id is the place and the logit minus the distance */
        double distance = -kg_log(candidates[i].p) - entropy;
        heap[i].id = i;
        heap[i].logit = candidates[i].p > 0 ? -(float)(distance < 0 ? -distance : distance) : lowest;
    }
    make_heap(heap, n, FIRST_ON_TOP);
    uint32_t taken = 0, kept = 0;
    while (taken < n && sum <= typical_p) {
        struct kg_lm_candidate *candidate = &candidates[take_top(heap, n - taken++, FIRST_ON_TOP).id];
        sum += candidate->p;
        candidate->p = -1; /* chosen */
    }
    for (uint32_t i = 0; i < n; i++) {
        if (candidates[i].p < 0) {
            candidates[kept++] = candidates[i];
        }
    }
    return kept;
}

/* The most likely until they sum to top_p; afterwards they are sorted. */
static uint32_t keep_top_p(struct kg_lm_sampler *sampler, uint32_t n, float top_p, bool sorted)
{
    struct kg_lm_candidate *candidates = sampler->candidates;
    double sum = 0;
    uint32_t kept = 0;
    if (!sorted) {
        make_heap(candidates, n, FIRST_ON_TOP);
        sampler->candidates = sampler->spare;
        sampler->spare = candidates;
    }
    while (kept < n && (kept == 0 || sum < top_p)) {
        struct kg_lm_candidate next = sorted ? candidates[kept] : take_top(candidates, n - kept, FIRST_ON_TOP);
        sum += next.p;
        sampler->candidates[kept++] = next;
    }
    return kept;
}

/* Those that are at least min_p times as likely as the most likely, in the order that they have. */
static uint32_t keep_min_p(struct kg_lm_candidate *candidates, uint32_t n, float min_p)
{
    float least = candidates[first_of(candidates, n)].logit + (float)kg_log(min_p);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (candidates[i].logit >= least) {
            candidates[kept++] = candidates[i];
        }
    }
    return kept;
}

/* How many remain of the n candidates after typical_p, top_p and min_p. */
static uint32_t filter(struct kg_lm_sampler *sampler, const struct kg_lm_sampling *sampling, uint32_t n, bool sorted)
{
    if (sampling->typical_p < 1) {
        weigh(sampler->candidates, n, 1);
        n = keep_typical(sampler, n, sampling->typical_p);
    }
    if (sampling->top_p < 1) {
        weigh(sampler->candidates, n, 1);
        n = keep_top_p(sampler, n, sampling->top_p, sorted);
    }
    return sampling->min_p > 0 ? keep_min_p(sampler->candidates, n, sampling->min_p) : n;
}

uint32_t kg_lm_candidates(struct kg_lm_sampler *sampler, const struct kg_lm_sampling *sampling, const float *logits,
                          const uint32_t *last, uint32_t n_last)
{
    struct request request = {
        .sampling = sampling, .logits = logits, .n_vocab = sampler->n_vocab, .counts = sampler->counts};
    bool greedy = sampling->temperature == 0, typical = sampling->typical_p < 1;
    uint32_t n = sampling->top_k && sampling->top_k < sampler->n_vocab ? sampling->top_k : sampler->n_vocab;
    n = greedy && !typical ? 1 : n; /* of the other filters none removes the most likely */
    bool sorted = n < sampler->n_vocab || sampling->top_k > 0;
    touch(&request, last, n_last);
    if (sorted) {
        select_best(&request, sampler->candidates, n);
    } else {
        take_all(&request, sampler->candidates);
    }
    if (!greedy || typical) {
        n = filter(sampler, sampling, n, sorted);
    }
    if (greedy) {
        sampler->candidates[0] = sampler->candidates[first_of(sampler->candidates, n)];
        n = 1;
    }
    weigh(sampler->candidates, n, greedy ? 1 : sampling->temperature);
    return n;
}

uint32_t kg_lm_sample(struct kg_lm_sampler *sampler, const struct kg_lm_sampling *sampling, const float *logits,
                      const uint32_t *last, uint32_t n_last, struct kg_random *random)
{
    uint32_t n = kg_lm_candidates(sampler, sampling, logits, last, n_last);
    const struct kg_lm_candidate *candidates = sampler->candidates;
    if (sampling->temperature == 0) {
        return candidates[0].id;
    }
    double total = 0, cumulative = 0;
    for (uint32_t i = 0; i < n; i++) {
        total += candidates[i].p;
    }
    double threshold = (double)kg_random_uniform(random) * total;
    for (uint32_t i = 0; i < n; i++) {
        cumulative += candidates[i].p;
        if (cumulative > threshold) {
            return candidates[i].id;
        }
    }
    return candidates[n - 1].id;
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

void kg_lm_logprobs(struct kg_lm_sampler *sampler, const float *logits, struct kg_lm_candidate *out, uint32_t n)
{
    static const struct kg_lm_sampling plain = {0};
    struct request request = {
        .sampling = &plain, .logits = logits, .n_vocab = sampler->n_vocab, .counts = sampler->counts};
    if (n == 0) {
        return;
    }
    select_best(&request, out, n);
    double log_of_sum = log_sum(logits, sampler->n_vocab, out[0].logit);
    for (uint32_t i = 0; i < n; i++) {
        out[i].p = log_probability(out[i].logit, out[0].logit, log_of_sum);
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
