#include "kgpt/math.h"

#include "kgpt/test.h"

static uint32_t float_bits(float x)
{
    union {
        float value;
        uint32_t bits;
    } u = {.value = x};
    return u.bits;
}

/* e^x correctly rounded, from 80 decimal digits. */
static const struct {
    float x;
    uint32_t exact;
} exp_table[] = {
    {0.0f, 0x3f800000},
    {0x1.0000000000000p+0f, 0x402df854},
    {-0x1.0000000000000p+0f, 0x3ebc5ab2},
    {0x1.0000000000000p-1f, 0x3fd3094c},
    {-0x1.0000000000000p-1f, 0x3f1b4598},
    {0x1.5798ee0000000p-27f, 0x3f800000},
    {-0x1.5798ee0000000p-27f, 0x3f800000},
    {0x1.62e4300000000p-2f, 0x3fb504f3},
    {-0x1.62e4300000000p-2f, 0x3f3504f3},
    {0x1.62e4300000000p-2f, 0x3fb504f3},
    {0x1.0000000000000p+1f, 0x40ec7326},
    {-0x1.a000000000000p+1f, 0x3d1ed1b4},
    {0x1.921fb60000000p+1f, 0x41b92025},
    {-0x1.eccccc0000000p+2f, 0x39ed6972},
    {0x1.4000000000000p+3f, 0x46ac14ee},
    {-0x1.8b0fcc0000000p+3f, 0x3691e961},
    {0x1.4000000000000p+4f, 0x4de75844},
    {-0x1.0a66660000000p+5f, 0x2778b2ea},
    {0x1.9400000000000p+5f, 0x63e7b299},
    {-0x1.e4cccc0000000p+5f, 0x13be5f69},
    {0x1.4000000000000p+6f, 0x792abbce},
    {0x1.6000000000000p+6f, 0x7ef882b7},
    {0x1.62e1480000000p+6f, 0x7f7f4648},
    {-0x1.5c00000000000p+6f, 0x00b33687},
    {-0x1.5d51ec0000000p+6f, 0x0080d71a},
    {-0x1.6000000000000p+6f, 0x0041edc4},
    {-0x1.6a00000000000p+6f, 0x00056969},
    {-0x1.7c00000000000p+6f, 0x00000f64},
    {-0x1.9000000000000p+6f, 0x0000001b},
    {-0x1.9c00000000000p+6f, 0x00000001},
    {-0x1.9f999a0000000p+6f, 0x00000001},
};

KG_TEST(math, exp_is_within_one_ulp)
{
    for (size_t i = 0; i < sizeof exp_table / sizeof exp_table[0]; i++) {
        int64_t off = (int64_t)float_bits(kg_expf(exp_table[i].x)) - exp_table[i].exact;
        if (off < -1 || off > 1) {
            kg_test_fail(t, __LINE__, "exp(%f) is %ld ulp off", (double)exp_table[i].x, (long)off);
            return;
        }
    }
}

KG_TEST(math, exp_of_zero_is_exact)
{
    KG_CHECK_EQ(t, float_bits(kg_expf(0.0f)), 0x3F800000);
    KG_CHECK_EQ(t, float_bits(kg_expf(-0.0f)), 0x3F800000);
}

KG_TEST(math, exp_at_the_ends)
{
    KG_CHECK_EQ(t, float_bits(kg_expf(-104.0f)), 0);
    KG_CHECK_EQ(t, float_bits(kg_expf(-__builtin_inff())), 0);
    KG_CHECK_EQ(t, float_bits(kg_expf(88.73f)), 0x7F800000);
    KG_CHECK_EQ(t, float_bits(kg_expf(__builtin_inff())), 0x7F800000);
    KG_CHECK(t, kg_expf(88.72f) < __builtin_inff());
    KG_CHECK(t, kg_expf(__builtin_nanf("")) != kg_expf(__builtin_nanf("")));
}

KG_TEST(math, exp_never_falls)
{
    float before = 0;
    for (int i = -26000; i <= 22000; i++) {
        float now = kg_expf((float)i / 256);
        KG_CHECK(t, now >= before);
        before = now;
    }
}

KG_TEST(math, sqrt_is_exact)
{
    KG_CHECK(t, kg_sqrtf(0.0f) == 0.0f && kg_sqrtf(4.0f) == 2.0f && kg_sqrtf(1e-20f) == 1e-10f);
    KG_CHECK_EQ(t, float_bits(kg_sqrtf(2.0f)), 0x3FB504F3);
}
