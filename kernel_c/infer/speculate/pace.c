/* How many drafts pay. Let p, q, … be the chances of the drafts, each if those before it were sampled. With k of them a
 * pass of k + 1 tokens advances the text by 1 + p + pq + … tokens on average. The best k has the most tokens per tick.
 * If no k is better than a single token, drafts behind matches of about this length pause. When a pause ends, a short
 * draft tells whether they pay now.
 *
 * Sequences that share a pass choose one after the other: what the tokens of the others cost and bring counts too. With
 * eight sequences a pass costs more for each further token than with one, and a draft must be likelier to pay.
 *
 * The clock decides only how many drafts there are, and so the time: see kgpt/speculation.h. */
#include "drafts.h"

#define SHORTEST_PAUSE 16u
#define LONGEST_PAUSE 512u
#define WINDOW 48.0   /* drafts of a class that are remembered */
#define WORTH 1.03    /* the least gain of a draft over a single token */
#define FIRST 3u      /* passes of a single token, before there are drafts */
#define SECOND 0.3    /* presumed for each further token before any was measured, in passes of one token */
#define FASTER 0.5    /* weight of a measurement below the estimate */
#define SLOWER 0.05   /* … above it: then something else ran too */
#define LONGER 1.5    /* one measurement counts at most as so many times the estimate */
#define CONFIDENT 4.0 /* drafts that the presumed chance of a class counts for */

/* Of a model; behind matches of 1, 2, up to 4, up to 8, and more tokens. */
static const double presumed_chance[KG_DRAFT_CLASSES] = {0.6, 0.25, 0.5, 0.75, 0.8, 0.9};

static uint32_t class_of_length(uint32_t length)
{
    return length <= 2 ? length : length <= 4 ? 3 : length <= 8 ? 4 : 5;
}

void kg_draft_pace_fill(struct kg_draft_pace *pace)
{
    *pace = (struct kg_draft_pace){0};
    for (uint32_t i = 0; i < KG_DRAFT_CLASSES; i++) {
        pace->hits[i] = CONFIDENT * presumed_chance[i];
        pace->misses[i] = CONFIDENT - pace->hits[i];
        pace->pause[i] = SHORTEST_PAUSE;
    }
}

/* Ticks of a pass of n tokens: at least those of one token, at most those of n passes. A longer pass costs at most as
 * much for each further token as a shorter one does. A pass that was never measured is presumed to cost half as much
 * for each further token: so it is tried. */
static double presumed_cost(const struct kg_pass_costs *costs, uint32_t sequences, uint32_t n)
{
    double single = costs->ticks[sequences], slope = single / sequences, most = costs->ticks[n];
    uint32_t known = sequences;
    for (uint32_t i = sequences + 1; i < n; i++) {
        if (costs->ticks[i] > 0) {
            double each = costs->ticks[i] > single ? (costs->ticks[i] - single) / (i - sequences) : 0;
            slope = each < slope ? each : slope;
            known = i;
        }
    }
    if (!(most > 0)) {
        double further = known > sequences ? slope / 2 : SECOND * single / sequences;
        return single + slope * (known - sequences) + further * (n - known);
    }
    double bound = single + slope * (n - sequences);
    most = most < bound ? most : bound;
    return most > single ? most : single;
}

/* The most drafts that are worth a trial: twice as many as ever. */
static uint32_t limit_growth(const struct kg_pass_costs *costs, const struct kg_pass_load *load, uint32_t most)
{
    uint32_t tried = 0;
    for (uint32_t i = 1; i <= KG_MOST_DRAFTS && load->tokens + i <= KG_MOST_PASS; i++) {
        tried = costs->ticks[load->tokens + i] > 0 ? i : tried;
    }
    uint32_t limit = 2 * tried + 1;
    return limit < most ? limit : most;
}

/* The chance that the next draft is sampled. */
static double chance_of(const struct kg_draft_pace *pace, uint32_t length)
{
    uint32_t class_of = class_of_length(length);
    return pace->hits[class_of] / (pace->hits[class_of] + pace->misses[class_of]);
}

/* The best number of drafts; 0: the pass as it is is as good. */
static uint32_t best_number(const struct kg_draft_pace *pace, const struct kg_pass_costs *costs,
                            const struct kg_pass_load *load, uint32_t length, uint32_t most)
{
    double tokens = load->arrives, arrives = 1;
    double best_rate = WORTH * tokens / presumed_cost(costs, load->sequences, load->tokens);
    uint32_t best = 0;
    for (uint32_t k = 1; k <= most; k++) {
        arrives *= chance_of(pace, length);
        length += length > 0;
        tokens += arrives;
        double rate = tokens / (presumed_cost(costs, load->sequences, load->tokens + k) + pace->draft_cost * k);
        if (rate > best_rate) {
            best_rate = rate;
            best = k;
        }
    }
    return best;
}

/* Adds drafts to the pass. */
static uint32_t add_load(const struct kg_draft_pace *pace, struct kg_pass_load *load, uint32_t length, uint32_t n)
{
    double arrives = 1;
    load->tokens += n;
    for (uint32_t i = 0; i < n; i++) {
        arrives *= chance_of(pace, length);
        length += length > 0;
        load->arrives += arrives;
    }
    return n;
}

uint32_t kg_draft_pace_choose(struct kg_draft_pace *pace, const struct kg_pass_costs *costs, struct kg_pass_load *load,
                              uint32_t length, uint32_t most)
{
    uint32_t class_of = class_of_length(length);
    if (load->tokens >= KG_MOST_PASS || costs->plain[load->sequences] < FIRST) {
        return 0;
    }
    most = most < KG_MOST_PASS - load->tokens ? most : KG_MOST_PASS - load->tokens;
    if (pace->wait[class_of] > 1) {
        pace->wait[class_of]--;
        return 0;
    }
    uint32_t n = best_number(pace, costs, load, length, limit_growth(costs, load, most));
    if (n > 0) {
        pace->wait[class_of] = 0;
        pace->pause[class_of] = SHORTEST_PAUSE;
        return add_load(pace, load, length, n);
    }
    bool ends = pace->wait[class_of] == 1;
    pace->wait[class_of] = pace->pause[class_of];
    pace->pause[class_of] *= pace->pause[class_of] < LONGEST_PAUSE ? 2 : 1;
    if (!ends) {
        return 0;
    }
    n = pace->probes[class_of]++ % 2 ? 3 : 1;
    return add_load(pace, load, length, n < most ? n : most);
}

/* The estimate stays near the shortest times: the ratio of two passes must not depend on what else the machine does. */
static void add_measurement(double *estimate, double value)
{
    if (!(*estimate > 0)) {
        *estimate = value;
    } else if (value < *estimate) {
        *estimate += FASTER * (value - *estimate);
    } else {
        value = value > LONGER * *estimate ? LONGER * *estimate : value;
        *estimate += SLOWER * (value - *estimate);
    }
}

void kg_pass_costs_add(struct kg_pass_costs *costs, uint32_t sequences, uint32_t tokens, uint64_t ticks)
{
    if (tokens <= KG_MOST_PASS) {
        costs->plain[tokens] += tokens == sequences;
        add_measurement(&costs->ticks[tokens], (double)ticks);
    }
}

void kg_draft_pace_drafted(struct kg_draft_pace *pace, uint32_t n, uint64_t ticks)
{
    add_measurement(&pace->draft_cost, (double)ticks / n);
}

void kg_draft_pace_told(struct kg_draft_pace *pace, uint32_t length, bool sampled)
{
    uint32_t class_of = class_of_length(length);
    double *hits = &pace->hits[class_of], *misses = &pace->misses[class_of];
    *(sampled ? hits : misses) += 1;
    if (*hits + *misses > WINDOW) {
        *hits /= 2;
        *misses /= 2;
    }
    if (sampled && pace->wait[class_of] > 1) {
        pace->wait[class_of] = 1; /* the draft at the end of a pause was good */
    }
}
