#include "kgpt/lm_sampler.h"

#include "kgpt/test.h"

#define N 8

/* Probabilities 0.4, 0.2, 0.2, 0.1, 0.05, 0.05 by ids 3, 0, 5, 1, 2, 7; 4 and 6 cannot come. */
static const float logits[N] = {-1.6094379f,       -2.3025851f, -2.9957323f,        -0.9162907f,
                                -__builtin_inff(), -1.6094379f, __builtin_nanf(""), -2.9957323f};

static const struct kg_sampling off = {.temperature = 1, .typical_p = 1, .top_p = 1, .repeat_penalty = 1};

/* What remains, as digits in the order of the candidates. */
static const char *remaining(struct kg_test *t, struct kg_sampling sampling, const uint32_t *last, uint32_t n_last)
{
    static char digits[N + 1];
    struct kg_sampler sampler;
    kg_lm_sampler_carve(&sampler, N, t->arena);
    float sum;
    uint32_t n = kg_candidates_choose(&sampler, &sampling, logits, last, n_last, &sum);
    for (uint32_t i = 0; i < n; i++) {
        digits[i] = (char)('0' + sampler.candidates[i].id);
    }
    digits[n] = '\0';
    return digits;
}

KG_TEST(lm_sampler, temperature_0_takes_the_first_of_the_best_without_a_draw)
{
    struct kg_sampler sampler;
    struct kg_random random = {{1, 2, 3, 4}};
    struct kg_sampling sampling;
    kg_lm_sampling_defaults(&sampling);
    sampling.temperature = 0;
    kg_lm_sampler_carve(&sampler, N, t->arena);
    KG_CHECK_EQ(t, kg_sample(&sampler, &sampling, logits, NULL, 0, &random), 3);
    sampling.logit_bias[sampling.n_biases++] = (struct kg_logit_bias){3, -__builtin_inff()};
    KG_CHECK_EQ(t, kg_sample(&sampler, &sampling, logits, NULL, 0, &random), 0);
    KG_CHECK_EQ(t, random.s[0] == 1 && random.s[1] == 2 && random.s[2] == 3 && random.s[3] == 4, true);
}

/* A grammar's mask comes before all filters, and no bias brings back what it does not allow. */
KG_TEST(lm_sampler, only_allowed_tokens_are_candidates)
{
    static const uint32_t allowed = 1u << 1 | 1u << 2 | 1u << 5 | 1u << 7, last[] = {5, 3};
    static const char *const expected[] = {"5127", "51", "512", "1275", "5"};
    struct kg_sampling sampling[5] = {off, off, off, off, off};
    struct kg_sampler sampler;
    kg_lm_sampler_carve(&sampler, N, t->arena);
    sampler.allowed = &allowed;
    sampling[1].top_k = 2;
    sampling[2].top_k = 3;
    sampling[2].logit_bias[0] = (struct kg_logit_bias){3, 9};
    sampling[2].n_biases = 1;
    sampling[3].presence_penalty = 2;
    sampling[3].repeat_last_n = 2;
    sampling[4].temperature = 0;
    for (uint32_t i = 0; i < 5; i++) {
        float sum;
        uint32_t n = kg_candidates_choose(&sampler, &sampling[i], logits, last, 2, &sum);
        KG_CHECK_EQ(t, n, kg_strlen(expected[i]));
        for (uint32_t j = 0; j < n; j++) {
            KG_CHECK_EQ(t, sampler.candidates[j].id, expected[i][j] - '0');
        }
    }
    for (uint32_t i = 0; i < N; i++) {
        KG_CHECK_EQ(t, sampler.counts[i], 0);
    }
}

KG_TEST(lm_sampler, each_filter_keeps_what_it_should)
{
    struct kg_sampling sampling = off;
    KG_CHECK_TEXT(t, remaining(t, sampling, NULL, 0), "30512746");
    sampling.top_k = 4;
    KG_CHECK_TEXT(t, remaining(t, sampling, NULL, 0), "3051");
    sampling.top_p = 0.5f; /* of the four: 0.444, 0.222 */
    KG_CHECK_TEXT(t, remaining(t, sampling, NULL, 0), "30");
    sampling.top_k = 0;
    sampling.top_p = 0.7f;
    KG_CHECK_TEXT(t, remaining(t, sampling, NULL, 0), "305");
    sampling.top_p = 0;
    KG_CHECK_TEXT(t, remaining(t, sampling, NULL, 0), "3");
    sampling.top_p = 1;
    sampling.min_p = 0.3f;
    KG_CHECK_TEXT(t, remaining(t, sampling, NULL, 0), "305");
    sampling.min_p = 1;
    KG_CHECK_TEXT(t, remaining(t, sampling, NULL, 0), "3");
    sampling.min_p = 0;
    sampling.typical_p = 0.3f; /* the entropy is 1.541: -ln 0.2 = 1.609 is nearest */
    KG_CHECK_TEXT(t, remaining(t, sampling, NULL, 0), "05");
    sampling.typical_p = 0.5f; /* then -ln 0.4 = 0.916 */
    KG_CHECK_TEXT(t, remaining(t, sampling, NULL, 0), "305");
    sampling.temperature = 0;
    KG_CHECK_TEXT(t, remaining(t, sampling, NULL, 0), "3");
}

KG_TEST(lm_sampler, penalties_and_biases_change_logits_first)
{
    static const uint32_t last[] = {0, 3, 3, 99, 3};
    struct kg_sampling sampling = off;
    sampling.top_k = 2;
    KG_CHECK_TEXT(t, remaining(t, sampling, last, 5), "30");
    sampling.repeat_last_n = 64;
    sampling.repeat_penalty = 2; /* 3: -1.83, 0: -3.22 */
    KG_CHECK_TEXT(t, remaining(t, sampling, last, 5), "53");
    sampling.repeat_last_n = 1;
    KG_CHECK_TEXT(t, remaining(t, sampling, last, 5), "05");
    sampling.repeat_last_n = 2; /* 99 is no token */
    KG_CHECK_TEXT(t, remaining(t, sampling, last, 5), "05");
    sampling.repeat_penalty = 1;
    sampling.repeat_last_n = UINT32_MAX;
    sampling.frequency_penalty = 0.2f; /* 3: -1.52, 0: -1.81 */
    KG_CHECK_TEXT(t, remaining(t, sampling, last, 5), "35");
    sampling.presence_penalty = 0.2f; /* 3: -1.72 */
    KG_CHECK_TEXT(t, remaining(t, sampling, last, 5), "53");
    sampling.logit_bias[0] = (struct kg_logit_bias){7, 9};
    sampling.logit_bias[1] = (struct kg_logit_bias){3, 0.5f};
    sampling.logit_bias[2] = (struct kg_logit_bias){99, 9};
    sampling.n_biases = 3;
    KG_CHECK_TEXT(t, remaining(t, sampling, last, 5), "73");
    sampling.temperature = 0;
    KG_CHECK_TEXT(t, remaining(t, sampling, last, 5), "7");
}

KG_TEST(lm_sampler, draws_by_probability)
{
    struct kg_sampler sampler;
    struct kg_random random;
    uint32_t counts[N] = {0};
    kg_lm_sampler_carve(&sampler, N, t->arena);
    kg_random_seed(&random, 5, 0);
    for (uint32_t i = 0; i < 4000; i++) {
        counts[kg_sample(&sampler, &off, logits, NULL, 0, &random)]++;
    }
    KG_CHECK(t, counts[3] > 1500 && counts[3] < 1700);
    KG_CHECK(t, counts[0] > 720 && counts[0] < 880);
    KG_CHECK(t, counts[1] > 330 && counts[1] < 470);
    KG_CHECK_EQ(t, counts[4] + counts[6], 0);
}

KG_TEST(lm_sampler, tells_probabilities)
{
    struct kg_sampler sampler;
    struct kg_logprob best[3];
    kg_lm_sampler_carve(&sampler, N, t->arena);
    kg_lm_logprobs(&sampler, logits, best, 3);
    KG_CHECK(t, best[0].id == 3 && best[1].id == 0 && best[2].id == 5);
    KG_CHECK(t, best[0].ln_p > -0.91630f && best[0].ln_p < -0.91628f);
    KG_CHECK(t, best[1].ln_p == kg_lm_logprob(logits, N, 0));
    KG_CHECK(t, kg_lm_logprob(logits, N, 4) == -__builtin_inff());
}

KG_TEST(lm_sampler, draws_as_llama2c_does)
{
    static const float rising[] = {0, 1, 2, 3};
    static const char *const drawn[] = {"233213332332233321333", "322332223233322333323", "333333333333333333333"};
    static const float top_p[] = {1, 0.9f, 0.5f};
    struct kg_sampler sampler;
    struct kg_random random = {{0}};
    struct kg_sampling sampling = off;
    kg_lm_sampler_carve(&sampler, 4, t->arena);
    for (size_t i = 0; i < 3; i++) {
        sampling.top_p = top_p[i];
        kg_lm_sampler_use(&sampler, KG_RNG_LLAMA2C, 1);
        for (const char *at = drawn[i]; *at; at++) {
            KG_CHECK_EQ(t, kg_sample(&sampler, &sampling, rising, NULL, 0, &random), (uint32_t)(*at - '0'));
        }
    }
}
