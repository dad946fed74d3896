#include "kgpt/dmath.h"

#include "kgpt/test.h"

#include "dmath_sums.h"

struct known {
    double x, value; /* the nearest double to the true value, from 60 decimal digits */
};

static const struct known exp_known[] = {
    {0x0p+0, 0x1p+0},
    {0x1p+0, 0x1.5bf0a8b145769p+1},
    {-0x1p+0, 0x1.78b56362cef38p-2},
    {0x1.8p-3, 0x1.34cb8170b5835p+0},
    {-0x1.62e42fefa39efp-8, 0x1.fd3c22b8f71f1p-1},
    {0x1.4p+3, 0x1.5829dcf950560p+14},
    {-0x1.9p+6, 0x1.a8c1f14e2af5dp-145},
    {0x1.62e42fefa39efp+9, 0x1.fffffffffff2ap+1023},
    {-0x1.6232bdd7abcd2p+9, 0x1.000000000007cp-1022},
    {-0x1.74385446d71c3p+9, 0x0.0000000000001p-1022},
};

static const struct known log_known[] = {
    {0x1p+0, 0x0p+0},
    {0x1.8p+0, 0x1.9f323ecbf984cp-2},
    {0x1.fffffffffffffp-1, -0x1p-53},
    {0x1.0000000000001p+0, 0x1.fffffffffffffp-53},
    {0x0.0000000000001p-1022, -0x1.74385446d71c3p+9},
    {0x1.fffffffffffffp+1023, 0x1.62e42fefa39efp+9},
    {0x1.6a09e667f3bcdp+0, 0x1.62e42fefa39f0p-2},
    {0x1.47ae147ae147bp-7, -0x1.26bb1bbb55515p+2},
};

static const struct known sin_known[] = {
    {0x1p-30, 0x1p-30},
    {0x1p-1, 0x1.eaee8744b05f0p-2},
    {0x1.921fb54442d18p+1, 0x1.1a62633145c07p-53},
    {0x1.8p+2, -0x1.1e1f18ab0a2c0p-2},
    {-0x1p+0, -0x1.aed548f090ceep-1},
    {0x1.921fb54442d18p-1, 0x1.6a09e667f3bccp-1},
    {0x1p+20, 0x1.526ccb2fc8656p-2},
};

static const struct known cos_known[] = {
    {0x1p-30, 0x1p+0},
    {0x1p-1, 0x1.c1528065b7d50p-1},
    {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54},
    {0x1.8p+2, 0x1.eb9b7097822f5p-1},
    {-0x1p+0, 0x1.14a280fb5068cp-1},
    {0x1.921fb54442d18p-1, 0x1.6a09e667f3bcdp-1},
    {0x1p+20, 0x1.e33ada92fe2aep-1},
};

static const struct {
    double x, y, value;
} pow_known[] = {
    {2, -0.5, 0x1.6a09e667f3bcdp-1},
    {3, -1.5, 0x1.8a2345cc04426p-3},
    {0x1.b333333333333p-1, 1000, 0x1.72dd2e1feefe1p-235},
    {0x1.fae147ae147aep-1, 3, 0x1.f0cb07d0aed9ap-1},
    {0x1.4f8b588e368f1p-17, -0.5, 0x1.3c3a4edfa9758p+8},
    {10, 308, 0x1.1ccf385ebc8a0p+1023},
    {7.5, -2, 0x1.23456789abcdfp-6},
    {0x1.999999999999ap-4, 323, 0x0.0000000000002p-1022},
    {-2, 3, -8},
    {-2, 2, 4},
};

static bool is_near(double found, double value)
{
    int64_t off = (int64_t)(kg_double_bits(found) - kg_double_bits(value));
    return off >= -1 && off <= 1;
}

static void check_known(struct kg_test *t, double (*function)(double), const struct known *known, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_near(function(known[i].x), known[i].value)) {
            kg_test_fail(t, __LINE__, "number %zu, of %f, is more than an ulp off", i, known[i].x);
            return;
        }
    }
}

#define KG_CHECK_KNOWN(t, function, known) check_known((t), (function), (known), sizeof(known) / sizeof(known)[0])

KG_TEST(dmath, known_values)
{
    KG_CHECK_KNOWN(t, kg_exp, exp_known);
    KG_CHECK_KNOWN(t, kg_log, log_known);
    KG_CHECK_KNOWN(t, kg_sin, sin_known);
    KG_CHECK_KNOWN(t, kg_cos, cos_known);
}

KG_TEST(dmath, known_powers)
{
    for (size_t i = 0; i < sizeof pow_known / sizeof pow_known[0]; i++) {
        KG_CHECK(t, is_near(kg_pow(pow_known[i].x, pow_known[i].y), pow_known[i].value));
    }
}

KG_TEST(dmath, ends)
{
    const double infinite = __builtin_inf(), nan = __builtin_nan("");
    KG_CHECK(t, kg_exp(710) == infinite && kg_exp(-746) == 0 && kg_exp(-infinite) == 0 && kg_exp(infinite) == infinite);
    KG_CHECK(t, kg_exp(nan) != kg_exp(nan) && kg_log(nan) != kg_log(nan));
    KG_CHECK(t, kg_log(0) == -infinite && kg_log(infinite) == infinite && kg_log(-1) != kg_log(-1));
    KG_CHECK(t, kg_sin(infinite) != kg_sin(infinite) && kg_cos(0x1.1p20) != kg_cos(0x1.1p20));
    KG_CHECK(t, kg_cos(0) == 1 && kg_double_bits(kg_sin(-0.0)) == kg_double_bits(-0.0));
}

KG_TEST(dmath, powers_of_special_numbers)
{
    const double infinite = __builtin_inf(), nan = __builtin_nan("");
    KG_CHECK(t, kg_pow(nan, 0) == 1 && kg_pow(1, nan) == 1 && kg_pow(nan, 3) != kg_pow(nan, 3));
    KG_CHECK(t, kg_pow(0, 3) == 0 && kg_pow(0, -3) == infinite && kg_pow(-0.0, -3) == -infinite);
    KG_CHECK(t, kg_pow(-0.0, 4) == 0 && kg_pow(-0.0, 0.5) == 0 && kg_pow(-0.0, -1) == -infinite);
    KG_CHECK(t, kg_pow(infinite, 0.5) == infinite && kg_pow(-infinite, 3) == -infinite);
    KG_CHECK(t, kg_pow(-infinite, -2) == 0 && kg_pow(-infinite, 0.5) == infinite);
    KG_CHECK(t, kg_pow(-8, 1.0 / 3) != kg_pow(-8, 1.0 / 3) && kg_pow(-1, infinite) == 1 && kg_pow(-1, 7) == -1);
    KG_CHECK(t, kg_pow(0.5, infinite) == 0 && kg_pow(2, infinite) == infinite && kg_pow(2, -infinite) == 0);
    KG_CHECK(t, kg_pow(2, 1024) == infinite && kg_pow(2, -1076) == 0 && kg_pow(0.5, 1e300) == 0);
    KG_CHECK(t, kg_pow(3, 1e-300) == 1 && kg_pow(9, 0.5) == 3 && kg_pow(3, 2) == 9 && kg_pow(4, -1) == 0.25);
}

KG_TEST(dmath, neither_exp_nor_log_ever_falls)
{
    double exp_before = 0, log_before = -__builtin_inf();
    for (int i = -12000; i <= 12000; i++) {
        double exp_now = kg_exp(i / 1024.0), log_now = kg_log((i + 12001) / 1024.0);
        KG_CHECK(t, exp_now > exp_before && log_now > log_before);
        exp_before = exp_now;
        log_before = log_now;
    }
}
