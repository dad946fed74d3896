#include "kgpt/mt19937.h"

#include "kgpt/test.h"

/* All numbers are what CPython 3.11 gives. */

static struct kg_mt19937 seeded_state(uint64_t seed)
{
    struct kg_mt19937 random;
    kg_mt19937_seed(&random, seed);
    return random;
}

KG_TEST(mt19937, words_of_seeds)
{
    static const struct {
        uint64_t seed;
        uint32_t words[3];
    } known[] = {
        {0, {0xd82c07cd, 0x629f6fbe, 0xc2094cac}},
        {42, {0xa3b1799d, 0x1c80317f, 0x06671ad1}},
        {1ull << 32, {0x1ced31d7, 0x59ef8bbc, 0x6af6d506}},
        {UINT64_MAX, {0x05965e7e, 0x3faff328, 0x568d6a40}},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct kg_mt19937 random = seeded_state(known[i].seed);
        for (int k = 0; k < 3; k++) {
            KG_CHECK_EQ(t, kg_mt19937_next(&random), known[i].words[k]);
        }
    }
}

KG_TEST(mt19937, random)
{
    struct kg_mt19937 random = seeded_state(42);
    KG_CHECK(t, kg_mt19937_random(&random) == 0x1.4762f307200c5p-1);
    KG_CHECK(t, kg_mt19937_random(&random) == 0x1.99c6b5eeb2060p-6);
    KG_CHECK(t, kg_mt19937_random(&random) == 0x1.19a1491f589dcp-2);
}

KG_TEST(mt19937, shuffle_then_gauss)
{
    static const uint32_t shuffled[] = {7, 3, 2, 8, 5, 6, 9, 4, 0, 1};
    static const double gauss[] = {-0x1.18b83d3f17e3bp-6, -0x1.66bdffde23c56p-7, 0x1.8ca9c0d2918bap-5};
    struct kg_mt19937 random = seeded_state(42);
    uint32_t items[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    kg_mt19937_shuffle(&random, items, 10);
    for (int i = 0; i < 10; i++) {
        KG_CHECK_EQ(t, items[i], shuffled[i]);
    }
    for (int i = 0; i < 3; i++) {
        double off = kg_mt19937_gauss(&random, 0, 0.08) / gauss[i] - 1;
        KG_CHECK(t, off > -1e-15 && off < 1e-15);
    }
}

KG_TEST(mt19937, below)
{
    static const uint32_t n[] = {1, 2, 3, 1u << 31, UINT32_MAX, 10, 10},
                          drawn[] = {0, 0, 2, 1181241943, 1051802512, 3, 2};
    struct kg_mt19937 random = seeded_state(42);
    for (int i = 0; i < 7; i++) {
        KG_CHECK_EQ(t, kg_mt19937_below(&random, n[i]), drawn[i]);
    }
}

KG_TEST(mt19937, choices)
{
    static const double weights[] = {.1, .2, .3, .25, .15};
    static const uint32_t chosen[] = {3, 0, 1, 1, 3, 3, 4, 0, 2, 0};
    struct kg_mt19937 random = seeded_state(42);
    double cumulative[5];
    for (int i = 0; i < 10; i++) {
        KG_CHECK_EQ(t, kg_mt19937_choose(&random, weights, 5, cumulative), chosen[i]);
    }
}
