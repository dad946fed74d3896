#include "kgpt/sampler.h"

#include "kgpt/test.h"

#define N 6

static const float logits[N] = {1.0f, 3.0f, 2.0f, 3.0f, -1.0f, 0.0f}; /* 1 and 3 tie for the first place */
static const struct kg_sampling plain = {.temperature = 1.0f, .top_p = 1.0f};

/* Draws `n` tokens and counts them. */
static void draw_tokens(struct kg_test *t, const struct kg_sampling *sampling, const float *from, uint32_t n,
                        uint32_t counts[N])
{
    struct kg_sampler sampler;
    struct kg_random random;
    kg_sampler_carve(&sampler, N, t->arena);
    kg_random_seed(&random, 5, 0);
    for (uint32_t i = 0; i < N; i++) {
        counts[i] = 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        counts[kg_sample(&sampler, sampling, from, NULL, 0, &random)]++;
    }
}

KG_TEST(sampler, temperature_0_takes_the_first_of_the_best_without_a_draw)
{
    struct kg_sampler sampler;
    struct kg_random random, untouched;
    struct kg_sampling sampling = plain;
    sampling.temperature = 0;
    kg_sampler_carve(&sampler, N, t->arena);
    kg_random_seed(&random, 5, 0);
    untouched = random;
    KG_CHECK_EQ(t, kg_sample(&sampler, &sampling, logits, NULL, 0, &random), 1);
    KG_CHECK_EQ(t, kg_random_next(&random), kg_random_next(&untouched));
}

KG_TEST(sampler, one_draw_a_token)
{
    struct kg_sampler sampler;
    struct kg_random random, expected;
    kg_sampler_carve(&sampler, N, t->arena);
    kg_random_seed(&random, 5, 0);
    expected = random;
    kg_sample(&sampler, &plain, logits, NULL, 0, &random);
    kg_random_next(&expected);
    KG_CHECK_EQ(t, kg_random_next(&random), kg_random_next(&expected));
}

KG_TEST(sampler, frequencies_follow_the_probabilities)
{
    uint32_t counts[N];
    draw_tokens(t, &plain, logits, 4000, counts);
    /* e^(l - 3): 1 and 3 weigh 1, 2: .368, 0: .135, 5: .0498, 4: .0183; together 2.571 */
    KG_CHECK(t, counts[1] > 1450 && counts[1] < 1660);
    KG_CHECK(t, counts[3] > 1450 && counts[3] < 1660);
    KG_CHECK(t, counts[2] > 500 && counts[2] < 645);
    KG_CHECK(t, counts[0] > 160 && counts[0] < 260);
    KG_CHECK(t, counts[4] > 8 && counts[4] < 60);
}

KG_TEST(sampler, top_k_keeps_k_and_breaks_ties_by_id)
{
    uint32_t counts[N];
    struct kg_sampling sampling = plain;
    sampling.top_k = 1;
    draw_tokens(t, &sampling, logits, 100, counts);
    KG_CHECK_EQ(t, counts[1], 100);
    sampling.top_k = 3;
    draw_tokens(t, &sampling, logits, 1000, counts);
    KG_CHECK_EQ(t, counts[1] + counts[2] + counts[3], 1000);
    KG_CHECK(t, counts[2] > 0);
    sampling.top_k = 100;
    draw_tokens(t, &sampling, logits, 4000, counts);
    KG_CHECK(t, counts[4] > 0);
}

KG_TEST(sampler, top_p_counts_among_what_top_k_kept)
{
    uint32_t counts[N];
    struct kg_sampling sampling = plain;
    sampling.top_k = 3;
    sampling.top_p = 0.8f; /* 1 and 3: 0.778 of all six, 0.845 of the best three */
    draw_tokens(t, &sampling, logits, 1000, counts);
    KG_CHECK_EQ(t, counts[1] + counts[3], 1000);
}

KG_TEST(sampler, top_p_keeps_the_shortest_start_that_reaches_it)
{
    uint32_t counts[N];
    struct kg_sampling sampling = plain;
    sampling.top_p = 0.001f;
    draw_tokens(t, &sampling, logits, 100, counts);
    KG_CHECK_EQ(t, counts[1], 100);
    sampling.top_p = 0.5f; /* 1 and 3 together: 0.778 */
    draw_tokens(t, &sampling, logits, 1000, counts);
    KG_CHECK_EQ(t, counts[1] + counts[3], 1000);
    KG_CHECK(t, counts[3] > 0);
    sampling.top_p = 0.8f;
    draw_tokens(t, &sampling, logits, 1000, counts);
    KG_CHECK(t, counts[2] > 0 && counts[0] == 0);
}

KG_TEST(sampler, min_p_is_relative_to_the_best)
{
    uint32_t counts[N];
    struct kg_sampling sampling = plain;
    sampling.min_p = 1.0f;
    draw_tokens(t, &sampling, logits, 1000, counts);
    KG_CHECK_EQ(t, counts[1] + counts[3], 1000);
    KG_CHECK(t, counts[1] > 0 && counts[3] > 0);
    sampling.min_p = 0.3f; /* e^-1 = 0.37 stays, e^-2 = 0.14 goes */
    draw_tokens(t, &sampling, logits, 1000, counts);
    KG_CHECK(t, counts[2] > 0 && counts[0] == 0);
}

KG_TEST(sampler, temperature_sharpens_and_flattens)
{
    uint32_t cold[N], hot[N];
    struct kg_sampling sampling = plain;
    sampling.temperature = 1e-6f;
    draw_tokens(t, &sampling, logits, 500, cold);
    KG_CHECK_EQ(t, cold[1] + cold[3], 500);
    sampling.temperature = 100.0f;
    draw_tokens(t, &sampling, logits, 3000, hot);
    for (int i = 0; i < N; i++) {
        KG_CHECK(t, hot[i] > 400 && hot[i] < 600);
    }
}

KG_TEST(sampler, sorts_any_number_of_candidates)
{
    enum { MANY = 1000 };
    struct kg_sampler sampler;
    struct kg_random random;
    struct kg_sampling sampling = plain;
    float *many = kg_arena_take(t->arena, MANY * sizeof(float));
    kg_sampler_carve(&sampler, MANY, t->arena);
    kg_random_seed(&random, 9, 9);
    for (int i = 0; i < MANY; i++) {
        many[i] = (float)(kg_random_next(&random) % 64); /* many ties */
    }
    kg_sample(&sampler, &sampling, many, NULL, 0, &random);
    for (int i = 1; i < MANY; i++) {
        const struct kg_candidate *a = &sampler.candidates[i - 1], *b = &sampler.candidates[i];
        KG_CHECK(t, a->logit > b->logit || (a->logit == b->logit && a->id < b->id));
        KG_CHECK(t, many[b->id] == b->logit);
    }
}
