#include "drafts.h"

#include "kgpt/random.h"
#include "kgpt/test.h"

static struct kg_ngram find(const uint32_t *tokens, uint32_t n)
{
    struct kg_ngram ngram = {.tokens = tokens, .n = n - 1, .last = tokens[n - 1]};
    kg_ngram_find(&ngram);
    return ngram;
}

#define FIND(...) find((const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

KG_TEST(ngram, takes_the_longest_match_and_then_the_newest)
{
    struct kg_ngram ngram = FIND(1, 2, 3, 4, 9, 2, 3, 5, 1, 2, 3);
    KG_CHECK_EQ(t, ngram.length, 3); /* 1 2 3, though 2 3 is newer */
    KG_CHECK_EQ(t, ngram.at, 3);
    ngram = FIND(7, 1, 8, 1, 6, 1);
    KG_CHECK_EQ(t, ngram.length, 1);
    KG_CHECK_EQ(t, ngram.at, 4);
    ngram = FIND(1, 2, 3, 4);
    KG_CHECK_EQ(t, ngram.length, 0);
    ngram = FIND(1);
    KG_CHECK_EQ(t, ngram.length, 0);
}

KG_TEST(ngram, goes_on_with_a_text_that_repeats_itself)
{
    const uint32_t tokens[] = {5, 1, 2, 3, 1, 2, 3};
    uint32_t drafts[8];
    struct kg_ngram ngram = find(tokens, 7);
    KG_CHECK_EQ(t, ngram.at, 4);
    kg_ngram_copy(&ngram, drafts, 8);
    for (uint32_t i = 0; i < 8; i++) {
        KG_CHECK_EQ(t, drafts[i], i % 3 + 1);
    }
    const uint32_t same[] = {4, 4};
    ngram = find(same, 2);
    kg_ngram_copy(&ngram, drafts, 8);
    for (uint32_t i = 0; i < 8; i++) {
        KG_CHECK_EQ(t, drafts[i], 4);
    }
}

/* A text of `n` tokens on a machine whose pass of m tokens takes `base + m * each` ticks; drafts are sampled with
 * `chance` percent. */
struct simulated {
    uint32_t base, each, chance, n;
    bool interrupted; /* a third of the passes takes up to four times as long */
    uint64_t ticks, passes, drafted, accepted;
};

static uint32_t choose(struct kg_draft_pace *pace, const struct kg_pass_costs *costs, uint32_t length, uint32_t most)
{
    struct kg_pass_load load = {.sequences = 1, .tokens = 1, .arrives = 1};
    return kg_draft_pace_choose(pace, costs, &load, length, most);
}

static void simulate(struct simulated *s)
{
    struct kg_draft_pace pace;
    struct kg_pass_costs costs = {0};
    struct kg_random random;
    kg_draft_pace_fill(&pace);
    kg_random_seed(&random, 7, 0);
    for (uint32_t done = 0; done < s->n;) {
        uint32_t k = choose(&pace, &costs, 0, KG_MOST_DRAFTS), taken = 0;
        bool sampled = true;
        while (taken < k && sampled) {
            sampled = kg_random_next(&random) % 100 < s->chance;
            kg_draft_pace_told(&pace, 0, sampled);
            taken += sampled;
        }
        uint64_t ticks = s->base + (uint64_t)(k + 1) * s->each;
        uint64_t other = s->interrupted && kg_random_next(&random) % 3 == 0 ? kg_random_next(&random) % 4 : 0;
        kg_pass_costs_add(&costs, 1, k + 1, ticks + ticks * other);
        s->ticks += ticks;
        s->passes++;
        s->drafted += k;
        s->accepted += taken;
        done += 1 + taken;
    }
}

/* Percent of the ticks without drafts. */
static uint32_t share_of_plain(struct simulated s)
{
    simulate(&s);
    return (uint32_t)(100 * s.ticks / ((uint64_t)s.n * (s.base + s.each)));
}

KG_TEST(draft_pace, takes_many_drafts_where_they_cost_little_and_fit)
{
    KG_CHECK(t, share_of_plain((struct simulated){.base = 1000, .each = 50, .chance = 100, .n = 500}) < 20);
    KG_CHECK(t, share_of_plain((struct simulated){.base = 1000, .each = 200, .chance = 95, .n = 500}) < 45);
}

KG_TEST(draft_pace, switches_off_where_no_draft_fits)
{
    KG_CHECK(t, share_of_plain((struct simulated){.base = 1000, .each = 50, .chance = 0, .n = 300}) <= 102);
    KG_CHECK(t, share_of_plain((struct simulated){.base = 1000, .each = 500, .chance = 5, .n = 300}) <= 103);
}

KG_TEST(draft_pace, switches_off_where_a_pass_costs_as_much_as_its_tokens)
{
    KG_CHECK(t, share_of_plain((struct simulated){.base = 0, .each = 1000, .chance = 0, .n = 300}) <= 103);
    KG_CHECK(t, share_of_plain((struct simulated){.base = 0, .each = 1000, .chance = 60, .n = 300}) <= 103);
    KG_CHECK(t, share_of_plain((struct simulated){.base = 0, .each = 1000, .chance = 100, .n = 300}) <= 101);
}

KG_TEST(draft_pace, is_not_misled_by_what_else_the_machine_does)
{
    for (uint32_t chance = 0; chance <= 100; chance += 10) {
        for (uint32_t each = 0; each <= 1000; each += 100) {
            struct simulated quiet = {.base = 1000 - each, .each = each, .chance = chance, .n = 500};
            struct simulated busy = quiet;
            busy.interrupted = true;
            KG_CHECK(t, share_of_plain(quiet) <= 103);
            KG_CHECK(t, share_of_plain(busy) <= 105);
        }
    }
}

KG_TEST(draft_pace, forgets_an_interruption)
{
    struct kg_draft_pace pace;
    struct kg_pass_costs costs = {0};
    kg_draft_pace_fill(&pace);
    for (uint32_t i = 0; i < 5; i++) {
        kg_pass_costs_add(&costs, 1, 1 + i / 4, 1000);
    }
    kg_pass_costs_add(&costs, 1, 9, 1000000); /* the first measurement of four tokens */
    for (uint32_t i = 0; i < 40; i++) {
        kg_draft_pace_told(&pace, 9, true);
    }
    KG_CHECK(t, choose(&pace, &costs, 9, KG_MOST_DRAFTS) >= 3);
}

KG_TEST(draft_pace, never_takes_more_than_are_of_use)
{
    struct kg_draft_pace pace;
    struct kg_pass_costs costs = {0};
    kg_draft_pace_fill(&pace);
    for (uint32_t i = 0; i < 3; i++) { /* a single token is measured first */
        KG_CHECK_EQ(t, choose(&pace, &costs, 9, 3), 0);
        kg_pass_costs_add(&costs, 1, 1, 1000);
    }
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t k = choose(&pace, &costs, 9, 3);
        KG_CHECK(t, k <= 3);
        kg_pass_costs_add(&costs, 1, k + 1, 1000 + k);
        kg_draft_pace_told(&pace, 9, true);
    }
    KG_CHECK_EQ(t, choose(&pace, &costs, 9, 0), 0);
}

/* Four sequences whose pass of m tokens takes `base + m * each` ticks: the drafts of one with the chance `chance`. */
static uint32_t choose_among_four(uint32_t base, uint32_t each, double chance)
{
    struct kg_draft_pace pace;
    struct kg_pass_costs costs = {0};
    struct kg_pass_load load = {.sequences = 4, .tokens = 4, .arrives = 4};
    kg_draft_pace_fill(&pace);
    pace.hits[0] = 40 * chance;
    pace.misses[0] = 40 - pace.hits[0];
    for (uint32_t i = 0; i < 3 * (KG_MOST_DRAFTS + 1); i++) {
        kg_pass_costs_add(&costs, 4, 4 + i / 3, base + (4 + i / 3) * each);
    }
    return kg_draft_pace_choose(&pace, &costs, &load, 0, KG_MOST_DRAFTS);
}

KG_TEST(draft_pace, weighs_the_tokens_of_other_sequences)
{
    KG_CHECK(t, choose_among_four(1000, 50, 0.9) >= 2);
    KG_CHECK_EQ(t, choose_among_four(1000, 50, 0.1), 0);
    KG_CHECK(t, choose_among_four(1000, 300, 0.9) >= 1);
    KG_CHECK_EQ(t, choose_among_four(1000, 300, 0.4), 0); /* a tick brings 4 / 2,200 tokens, of a draft 0.4 / 300 */
    KG_CHECK_EQ(t, choose_among_four(0, 1000, 0.95), 0);
}
