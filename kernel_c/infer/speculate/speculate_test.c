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

#define MOST_SEQUENCES 8u

/* Texts of `n` tokens together, `sequences` at once (0: one), on a machine whose pass of m tokens takes `base + m *
 * each` ticks, but at least `least`; drafts are sampled with `chance` percent. */
struct simulated {
    uint32_t base, each, least, chance, n, sequences;
    bool interrupted; /* a third of the passes takes up to four times as long */
    uint64_t ticks, passes, drafted, accepted;
    struct kg_random random;
    struct kg_draft_pace pace;
    struct kg_draft_chances own[MOST_SEQUENCES];
};

static uint32_t choose(struct kg_draft_pace *pace, uint32_t length, uint32_t most)
{
    const struct kg_draft_chances own = {0};
    struct kg_pass_load load = {.sequences = 1, .tokens = 1, .arrives = 1};
    return kg_draft_pace_choose(pace, &own, &load, length, most);
}

static uint64_t ticks_of(const struct simulated *s, uint32_t tokens)
{
    uint64_t ticks = s->base + (uint64_t)tokens * s->each;
    return ticks > s->least ? ticks : s->least;
}

/* How many of k drafts are sampled. */
static uint32_t sample_drafts(struct simulated *s, uint32_t sequence, uint32_t k)
{
    uint32_t taken = 0;
    bool sampled = true;
    while (taken < k && sampled) {
        sampled = kg_random_next(&s->random) % 100 < s->chance;
        kg_draft_pace_told(&s->pace, &s->own[sequence], 0, sampled);
        taken += sampled;
    }
    return taken;
}

/* Goes on with texts for `n` tokens. */
static void go_on(struct simulated *s)
{
    uint32_t sequences = s->sequences ? s->sequences : 1, k[MOST_SEQUENCES];
    for (uint32_t done = 0; done < s->n; done += sequences) {
        struct kg_pass_load load = {.sequences = sequences, .tokens = sequences, .arrives = sequences};
        for (uint32_t i = 0; i < sequences; i++) {
            k[i] = kg_draft_pace_choose(&s->pace, &s->own[i], &load, 0, KG_MOST_DRAFTS);
            s->drafted += k[i];
        }
        uint64_t ticks = ticks_of(s, load.tokens);
        uint64_t other = s->interrupted && kg_random_next(&s->random) % 3 == 0 ? kg_random_next(&s->random) % 4 : 0;
        kg_draft_pace_passed(&s->pace, sequences, load.tokens, ticks + ticks * other);
        s->ticks += ticks;
        s->passes++;
        for (uint32_t i = 0; i < sequences; i++) {
            uint32_t taken = sample_drafts(s, i, k[i]);
            s->accepted += taken;
            done += taken;
        }
    }
}

static void simulate(struct simulated *s)
{
    kg_draft_pace_fill(&s->pace);
    kg_random_seed(&s->random, 7, 0);
    go_on(s);
}

/* Percent of the ticks without drafts. */
static uint32_t share_of_plain(struct simulated s)
{
    uint32_t sequences = s.sequences ? s.sequences : 1;
    simulate(&s);
    return (uint32_t)(100 * s.ticks * sequences / (s.n * ticks_of(&s, sequences)));
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

/* A pass reads weights as long as few tokens need them, and then computes: so each token after the first ones costs
 * more than those. This holds for SmolLM2 and AVX-512 VNNI, in hundredths of a millisecond. */
KG_TEST(draft_pace, costs_little_where_a_pass_computes)
{
    static const uint32_t sequences[] = {1, 2, 3, 8};
    for (uint32_t i = 0; i < 4; i++) {
        for (uint32_t chance = 0; chance <= 100; chance += 10) {
            struct simulated quiet = {.base = 5, .each = 66, .least = 186, .chance = chance, .n = 2000};
            quiet.sequences = sequences[i];
            struct simulated busy = quiet;
            busy.interrupted = true;
            KG_CHECK(t, share_of_plain(quiet) <= 102);
            KG_CHECK(t, share_of_plain(busy) <= 103);
        }
    }
}

KG_TEST(draft_pace, has_few_drafts_in_vain)
{
    static const uint32_t sequences[] = {1, 2, 3, 8};
    for (uint32_t i = 0; i < 4; i++) {
        for (uint32_t each = 0; each <= 1000; each += 250) {
            struct simulated s = {.base = 1000 - each, .each = each, .n = 4000, .sequences = sequences[i]};
            simulate(&s);
            KG_CHECK(t, s.drafted > 0 && s.accepted == 0);
            KG_CHECK(t, s.drafted <= 16 + 4000 / 50);
        }
    }
}

KG_TEST(draft_pace, notices_that_drafts_fit_now)
{
    static struct simulated s;
    s = (struct simulated){.base = 1000, .each = 50, .n = 4000};
    simulate(&s);
    uint64_t before = s.ticks;
    s.chance = 100;
    go_on(&s);
    KG_CHECK(t, 4 * (s.ticks - before) < before);
}

KG_TEST(draft_pace, forgets_an_interruption)
{
    struct kg_draft_pace pace;
    struct kg_draft_chances own = {0};
    kg_draft_pace_fill(&pace);
    for (uint32_t i = 0; i < 5; i++) {
        kg_draft_pace_passed(&pace, 1, 1 + i / 4, 1000);
    }
    kg_draft_pace_passed(&pace, 1, 2, 1000000);
    for (uint32_t i = 0; i < 40; i++) {
        kg_draft_pace_told(&pace, &own, 9, true);
    }
    KG_CHECK(t, choose(&pace, 9, KG_MOST_DRAFTS) >= 3);
}

KG_TEST(draft_pace, never_takes_more_than_are_of_use)
{
    struct kg_draft_pace pace;
    struct kg_draft_chances own = {0};
    kg_draft_pace_fill(&pace);
    for (uint32_t i = 0; i < 3; i++) { /* a single token is measured first */
        KG_CHECK_EQ(t, choose(&pace, 9, 3), 0);
        kg_draft_pace_passed(&pace, 1, 1, 1000);
    }
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t k = choose(&pace, 9, 3);
        KG_CHECK(t, k <= 3);
        kg_draft_pace_passed(&pace, 1, k + 1, 1000 + k);
        kg_draft_pace_told(&pace, &own, 9, true);
    }
    KG_CHECK_EQ(t, choose(&pace, 9, 0), 0);
}

/* Four sequences whose pass of m tokens takes `base + m * each` ticks: the drafts of one with the chance `chance`. */
static uint32_t choose_among_four(uint32_t base, uint32_t each, double chance)
{
    struct kg_draft_pace pace;
    const struct kg_draft_chances own = {0};
    struct kg_pass_load load = {.sequences = 4, .tokens = 4, .arrives = 4};
    kg_draft_pace_fill(&pace);
    pace.chances.hits[0] = 40 * chance;
    pace.chances.misses[0] = 40 - pace.chances.hits[0];
    for (uint32_t i = 0; i < 3 * (KG_MOST_DRAFTS + 1); i++) {
        kg_draft_pace_passed(&pace, 4, 4 + i / 3, base + (4 + i / 3) * each);
    }
    pace.balance = 4; /* enough for drafts that pay, too little for trials */
    return kg_draft_pace_choose(&pace, &own, &load, 0, KG_MOST_DRAFTS);
}

KG_TEST(draft_pace, weighs_the_tokens_of_other_sequences)
{
    KG_CHECK(t, choose_among_four(1000, 50, 0.9) >= 2);
    KG_CHECK_EQ(t, choose_among_four(1000, 50, 0.1), 0);
    KG_CHECK(t, choose_among_four(1000, 300, 0.9) >= 1);
    KG_CHECK_EQ(t, choose_among_four(1000, 300, 0.4), 0); /* a tick brings 4 / 2,200 tokens, of a draft 0.4 / 300 */
    KG_CHECK_EQ(t, choose_among_four(0, 1000, 0.95), 0);
}
