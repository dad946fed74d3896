/* How many drafts pay. Let p, q, … be the chances of the drafts, each if those before it were sampled. With k of them a
 * pass of k + 1 tokens advances the text by 1 + p + pq + … tokens on average. The best k has the most tokens per tick.
 * If no k is better than a single token, drafts behind matches of about this length pause. When a pause ends, a short
 * draft tells whether they pay now.
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
static double presumed_cost(const struct kg_draft_pace *pace, uint32_t n)
{
    double single = pace->cost[1], slope = single, most = pace->cost[n];
    uint32_t known = 1;
    for (uint32_t i = 2; i < n; i++) {
        if (pace->cost[i] > 0) {
            double each = pace->cost[i] > single ? (pace->cost[i] - single) / (i - 1) : 0;
            slope = each < slope ? each : slope;
            known = i;
        }
    }
    if (!(most > 0)) {
        return single + slope * (known - 1) + (known > 1 ? slope / 2 : SECOND * single) * (n - known);
    }
    double bound = single + slope * (n - 1);
    most = most < bound ? most : bound;
    return most > single ? most : single;
}

/* The most drafts that are worth a trial: twice as many as ever. */
static uint32_t limit_growth(const struct kg_draft_pace *pace, uint32_t most)
{
    uint32_t tried = 0;
    for (uint32_t i = 1; i <= KG_MOST_DRAFTS; i++) {
        tried = pace->cost[i + 1] > 0 ? i : tried;
    }
    uint32_t limit = 2 * tried + 1;
    return limit < most ? limit : most;
}

/* The best number of drafts; 0: a single token is as good. */
static uint32_t best_number(const struct kg_draft_pace *pace, uint32_t length, uint32_t most)
{
    double tokens = 1, arrives = 1, best_rate = WORTH / pace->cost[1];
    uint32_t best = 0;
    for (uint32_t k = 1; k <= most; k++) {
        uint32_t class_of = class_of_length(length);
        arrives *= pace->hits[class_of] / (pace->hits[class_of] + pace->misses[class_of]);
        length += length > 0;
        tokens += arrives;
        double rate = tokens / (presumed_cost(pace, k + 1) + pace->draft_cost * k);
        if (rate > best_rate) {
            best_rate = rate;
            best = k;
        }
    }
    return best;
}

uint32_t kg_draft_pace_choose(struct kg_draft_pace *pace, uint32_t length, uint32_t most)
{
    uint32_t class_of = class_of_length(length);
    if (pace->singles < FIRST) {
        return 0;
    }
    if (pace->wait[class_of] > 1) {
        pace->wait[class_of]--;
        return 0;
    }
    uint32_t n = best_number(pace, length, limit_growth(pace, most));
    if (n > 0) {
        pace->wait[class_of] = 0;
        pace->pause[class_of] = SHORTEST_PAUSE;
        return n;
    }
    bool ends = pace->wait[class_of] == 1;
    pace->wait[class_of] = pace->pause[class_of];
    pace->pause[class_of] *= pace->pause[class_of] < LONGEST_PAUSE ? 2 : 1;
    if (!ends) {
        return 0;
    }
    n = pace->probes[class_of]++ % 2 ? 3 : 1;
    return n < most ? n : most;
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

void kg_draft_pace_pass(struct kg_draft_pace *pace, uint32_t n, uint64_t ticks)
{
    if (n <= KG_MOST_DRAFTS + 1) {
        pace->singles += n == 1;
        add_measurement(&pace->cost[n], (double)ticks);
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
