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

KG_TEST(ngram, longer_matches_are_of_a_higher_class)
{
    uint32_t last = 0;
    for (uint32_t length = 1; length <= 16; length++) {
        const struct kg_ngram ngram = {.length = length};
        uint32_t class_of = kg_ngram_class(&ngram);
        KG_CHECK(t, class_of >= last && class_of < KG_DRAFT_CLASSES);
        last = class_of;
    }
    KG_CHECK_EQ(t, last, KG_DRAFT_CLASSES - 1);
}

/* A text of `n` tokens on a machine whose pass of m tokens takes `base + m * each` ticks; drafts are sampled with
 * `chance` percent. */
struct simulated {
    uint32_t base, each, chance, n;
    uint64_t ticks, passes, drafted, accepted;
};

static void simulate(struct simulated *s)
{
    struct kg_draft_pace pace;
    struct kg_random random;
    kg_draft_pace_fill(&pace);
    kg_random_seed(&random, 7, 0);
    for (uint32_t done = 0; done < s->n;) {
        uint32_t k = kg_draft_pace_choose(&pace, 2, KG_MOST_DRAFTS), taken = 0;
        bool sampled = true;
        while (taken < k && sampled) {
            sampled = kg_random_next(&random) % 100 < s->chance;
            kg_draft_pace_told(&pace, 2, sampled);
            taken += sampled;
        }
        uint64_t ticks = s->base + (uint64_t)(k + 1) * s->each;
        kg_draft_pace_pass(&pace, k + 1, ticks);
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

KG_TEST(draft_pace, forgets_an_interruption)
{
    struct kg_draft_pace pace;
    kg_draft_pace_fill(&pace);
    for (uint32_t n = 1; n <= 2; n++) {
        kg_draft_pace_pass(&pace, n, 1000);
    }
    kg_draft_pace_pass(&pace, 4, 1000000); /* the first measurement of four tokens */
    for (uint32_t i = 0; i < 40; i++) {
        kg_draft_pace_told(&pace, 4, true);
    }
    KG_CHECK(t, kg_draft_pace_choose(&pace, 4, KG_MOST_DRAFTS) >= 3);
}

KG_TEST(draft_pace, never_takes_more_than_are_of_use)
{
    struct kg_draft_pace pace;
    kg_draft_pace_fill(&pace);
    KG_CHECK_EQ(t, kg_draft_pace_choose(&pace, 4, 3), 0); /* a single token was not measured yet */
    kg_draft_pace_pass(&pace, 1, 1000);
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t k = kg_draft_pace_choose(&pace, 4, 3);
        KG_CHECK(t, k <= 3);
        kg_draft_pace_pass(&pace, k + 1, 1000 + k);
        kg_draft_pace_told(&pace, 4, true);
    }
    KG_CHECK_EQ(t, kg_draft_pace_choose(&pace, 4, 0), 0);
}
