#include "kgpt/random.h"

#include "kgpt/test.h"

KG_TEST(random, splitmix64_known_answers)
{
    uint64_t state = 0;
    KG_CHECK_EQ(t, kg_splitmix64(&state), 0xE220A8397B1DCDAF);
    KG_CHECK_EQ(t, kg_splitmix64(&state), 0x6E789E6AA1B965F4);
    KG_CHECK_EQ(t, kg_splitmix64(&state), 0x06C45D188009454F);
}

KG_TEST(random, xoshiro256pp_known_answers)
{
    struct kg_random random = {{1, 2, 3, 4}};
    KG_CHECK_EQ(t, kg_random_next(&random), 41943041);
    KG_CHECK_EQ(t, kg_random_next(&random), 58720359);
    KG_CHECK_EQ(t, kg_random_next(&random), 3588806011781223);
    KG_CHECK_EQ(t, kg_random_next(&random), 3591011842654386);
    KG_CHECK_EQ(t, kg_random_next(&random), 9228616714210784205u);
}

KG_TEST(random, streams_known_answers)
{
    struct kg_random random;
    kg_random_seed(&random, 42, 0);
    KG_CHECK_EQ(t, kg_random_next(&random), 0xEFDB3ABE2D004720);
    KG_CHECK_EQ(t, kg_random_next(&random), 0x74285DB8CAD01896);
    kg_random_seed(&random, UINT64_MAX, 7);
    KG_CHECK_EQ(t, kg_random_next(&random), 0xF09E2BCC16663497);
    KG_CHECK_EQ(t, kg_random_next(&random), 0x153AC2CA83717FA0);
}

KG_TEST(random, uniform_is_in_range_and_even)
{
    struct kg_random random;
    float sum = 0;
    uint32_t low = 0;
    kg_random_seed(&random, 1, 1);
    for (int i = 0; i < 4096; i++) {
        float u = kg_random_uniform(&random);
        KG_CHECK(t, u >= 0 && u < 1);
        sum += u;
        low += u < 0.25f;
    }
    KG_CHECK(t, sum > 1950 && sum < 2146);
    KG_CHECK(t, low > 900 && low < 1150);
}

KG_TEST(random, uniform_known_answers)
{
    struct kg_random random;
    kg_random_seed(&random, 42, 0);
    KG_CHECK(t, kg_random_uniform(&random) == 0x1.dfb674p-1f);
    KG_CHECK(t, kg_random_uniform(&random) == 0x1.d0a174p-2f);
}
