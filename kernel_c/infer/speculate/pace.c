/* How many drafts pay. Let p, q, … be the chances of the drafts, each if those before it were sampled. With k of them a
 * pass of k + 1 tokens advances the text by 1 + p + pq + … tokens on average. The best k has the most tokens per tick.
 *
 * Sequences that share a pass choose one after the other: what the tokens of the others cost and bring counts too. With
 * eight sequences a pass costs more for each further token than with one, and a draft must be likelier to pay.
 *
 * Chances and costs are estimates. So there is an account, in tokens: a draft is paid for in advance, by what it is
 * presumed to cost, and a draft that is sampled gives back the token that it saves. Each token without drafts adds a
 * little. Drafts need a balance, so texts in which none fits lose that little. It also pays for trials: drafts that
 * seem not to pay, since only drafts can tell that they do now.
 *
 * The clock decides only how many drafts there are, and so the time: see kgpt/speculation.h. */
#include "drafts.h"

#define WINDOW 48.0      /* drafts of a class that are remembered for a reply */
#define LONG_WINDOW 192. /* … and for all */
#define WORTH 1.03       /* the least gain of drafts over the pass as it is */
#define SURE 1.25        /* … and what they bring at least, where the pass as it is brings 1 in their time */
#define FIRST 3u         /* passes without drafts, before there are any */
#define FASTER 0.5       /* weight of a measurement below the estimate */
#define SLOWER 0.05      /* … above it: then something else ran too */
#define DRAFTED 0.25     /* … of a pass with drafts: it is seldom measured, and drafts can wait for the next trial */
#define LONGER 1.5       /* one measurement counts at most as so many times the estimate */
#define CONFIDENT 4.0    /* drafts that the presumed chance of a class counts for */
#define BEGINNING 4.0    /* the first balance, and the least for trials */
#define MOST 64.0        /* the balance of a good past: as much as a pass full of drafts can cost */
#define EARNED 0.005     /* by each token without drafts */
#define LEAST 0.25       /* price of a draft: so at most 0.02 drafts for each token are in vain where none fits */

/* Of a model; behind matches of 1, 2, up to 4, up to 8, and more tokens. */
static const double presumed_chance[KG_DRAFT_CLASSES] = {0.6, 0.25, 0.5, 0.75, 0.8, 0.9};

static uint32_t class_of_length(uint32_t length)
{
    return length <= 2 ? length : length <= 4 ? 3 : length <= 8 ? 4 : 5;
}

void kg_draft_pace_fill(struct kg_draft_pace *pace)
{
    *pace = (struct kg_draft_pace){.balance = BEGINNING};
    for (uint32_t i = 0; i < KG_DRAFT_CLASSES; i++) {
        pace->chances.hits[i] = CONFIDENT * presumed_chance[i];
        pace->chances.misses[i] = CONFIDENT - pace->chances.hits[i];
    }
}

/* Ticks of a pass of n tokens, `sequences` of which it has in any case. By how much a pass grows with its tokens
 * differs: vectors take up to eight tokens for the price of about one where weights come from memory, and without
 * vectors each token costs the same. A number that was not measured is presumed to cost for each further token what a
 * longest measured pass of m tokens costs, divided by m + 2. */
static double presumed_ticks(const struct kg_pass_costs *costs, uint32_t sequences, uint32_t n)
{
    double plain = costs->ticks[sequences], ticks = costs->ticks[n], most = plain * n / sequences;
    for (uint32_t m = n; !(ticks > 0) && m-- > sequences;) {
        if (costs->ticks[m] > 0) {
            ticks = costs->ticks[m] * (1 + (double)(n - m) / (m + 2));
        }
    }
    for (uint32_t m = n + 1; m <= KG_MOST_PASS; m++) { /* a shorter pass that took longer was interrupted */
        ticks = costs->ticks[m] > 0 && costs->ticks[m] < ticks ? costs->ticks[m] : ticks;
    }
    ticks = ticks < most ? ticks : most;
    return ticks > plain ? ticks : plain;
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

/* The chance that the next draft is sampled: what this reply says, and until it says much, what all have said. */
static double chance_of(const struct kg_draft_pace *pace, const struct kg_draft_chances *own, uint32_t length)
{
    uint32_t class_of = class_of_length(length);
    double hits = pace->chances.hits[class_of], all = hits + pace->chances.misses[class_of];
    double told = own->hits[class_of] + own->misses[class_of];
    return (own->hits[class_of] + CONFIDENT * hits / all) / (told + CONFIDENT);
}

/* What n more tokens cost, in tokens of the pass without drafts. */
static double price_of(const struct kg_draft_pace *pace, const struct kg_pass_load *load, uint32_t n)
{
    const struct kg_pass_costs *costs = &pace->costs;
    uint32_t sequences = load->sequences;
    double more = presumed_ticks(costs, sequences, load->tokens + n) - presumed_ticks(costs, sequences, load->tokens);
    double price = (more + pace->draft_ticks * n) * sequences / costs->ticks[sequences];
    return price > LEAST * n ? price : LEAST * n;
}

/* The best number of drafts that can be paid for; 0: the pass as it is is as good. */
static uint32_t best_number(const struct kg_draft_pace *pace, const struct kg_draft_chances *own,
                            const struct kg_pass_load *load, uint32_t length, uint32_t most)
{
    const struct kg_pass_costs *costs = &pace->costs;
    double ticks = presumed_ticks(costs, load->sequences, load->tokens), tokens = load->arrives, arrives = 1;
    double rate_as_it_is = tokens / ticks, best_rate = WORTH * rate_as_it_is;
    uint32_t best = 0;
    for (uint32_t k = 1; k <= most && price_of(pace, load, k) <= pace->balance; k++) {
        arrives *= chance_of(pace, own, length);
        length += length > 0;
        tokens += arrives;
        double with_them = presumed_ticks(costs, load->sequences, load->tokens + k) + pace->draft_ticks * k;
        bool sure = tokens - load->arrives > SURE * rate_as_it_is * (with_them - ticks);
        if (sure && tokens / with_them > best_rate) {
            best_rate = tokens / with_them;
            best = k;
        }
    }
    return best;
}

/* Drafts of which only something is learned, if there is more than at the beginning to pay for them. */
static uint32_t number_of_trial(struct kg_draft_pace *pace, const struct kg_pass_load *load, uint32_t most)
{
    uint32_t n = pace->trials % 2 ? 3 : 1;
    n = n < most ? n : most;
    if (n == 0 || pace->balance - price_of(pace, load, n) < BEGINNING) {
        return 0;
    }
    pace->trials++;
    return n;
}

/* Adds drafts to the pass. */
static void add_load(struct kg_draft_pace *pace, const struct kg_draft_chances *own, struct kg_pass_load *load,
                     uint32_t length, uint32_t n)
{
    double arrives = 1;
    pace->balance -= price_of(pace, load, n);
    load->tokens += n;
    for (uint32_t i = 0; i < n; i++) {
        arrives *= chance_of(pace, own, length);
        length += length > 0;
        load->arrives += arrives;
    }
}

uint32_t kg_draft_pace_choose(struct kg_draft_pace *pace, const struct kg_draft_chances *own, struct kg_pass_load *load,
                              uint32_t length, uint32_t most)
{
    if (load->tokens >= KG_MOST_PASS || pace->costs.plain[load->sequences] < FIRST) {
        return 0;
    }
    most = most < KG_MOST_PASS - load->tokens ? most : KG_MOST_PASS - load->tokens;
    uint32_t n = best_number(pace, own, load, length, limit_growth(&pace->costs, load, most));
    n = n ? n : number_of_trial(pace, load, most);
    if (n) {
        add_load(pace, own, load, length, n);
    }
    return n;
}

/* The estimate stays near the shortest times: the ratio of two passes must not depend on what else the machine does. */
static void add_measurement(double *estimate, double value, double slower)
{
    if (!(*estimate > 0)) {
        *estimate = value;
    } else if (value < *estimate) {
        *estimate += FASTER * (value - *estimate);
    } else {
        value = value > LONGER * *estimate ? LONGER * *estimate : value;
        *estimate += slower * (value - *estimate);
    }
}

static void earn(struct kg_draft_pace *pace, double tokens)
{
    pace->balance = pace->balance + tokens < MOST ? pace->balance + tokens : MOST;
}

void kg_draft_pace_passed(struct kg_draft_pace *pace, uint32_t sequences, uint32_t tokens, uint64_t ticks)
{
    bool plain = tokens == sequences;
    if (tokens <= KG_MOST_PASS) {
        pace->costs.plain[tokens] += plain;
        add_measurement(&pace->costs.ticks[tokens], (double)ticks, plain ? SLOWER : DRAFTED);
    }
    earn(pace, EARNED * sequences);
}

void kg_draft_pace_drafted(struct kg_draft_pace *pace, uint32_t n, uint64_t ticks)
{
    add_measurement(&pace->draft_ticks, (double)ticks / n, SLOWER);
}

static void tell_chances(struct kg_draft_chances *chances, uint32_t class_of, bool sampled, double window)
{
    double *hits = &chances->hits[class_of], *misses = &chances->misses[class_of];
    *(sampled ? hits : misses) += 1;
    if (*hits + *misses > window) {
        *hits /= 2;
        *misses /= 2;
    }
}

void kg_draft_pace_told(struct kg_draft_pace *pace, struct kg_draft_chances *own, uint32_t length, bool sampled)
{
    uint32_t class_of = class_of_length(length);
    tell_chances(own, class_of, sampled, WINDOW);
    tell_chances(&pace->chances, class_of, sampled, LONG_WINDOW);
    if (sampled) {
        earn(pace, 1);
    }
}
