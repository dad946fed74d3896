#include "kgpt/math_inline.h"

#include "kgpt/math.h"
#include "kgpt/test.h"

static uint32_t bits_of_float(float x)
{
    union {
        float value;
        uint32_t bits;
    } u = {.value = x};
    return u.bits;
}

/* erf x correctly rounded, from 60 decimal digits. */
static const struct {
    float x;
    uint32_t exact;
} erf_table[] = {
    {0x0.0p+0f, 0x00000000},       {0x1.000000p-149f, 0x00000001}, {0x1.b38fb8p-127f, 0x007ade9e},
    {0x1.b7cdfep-34f, 0x2ef8221a}, {0x1.a36e2ep-14f, 0x38eca365},  {0x1.99999ap-4f, 0x3de652f5},
    {0x1.000000p-2f, 0x3e8d7aa7},  {0x1.000000p-1f, 0x3f053f7b},   {0x1.800000p-1f, 0x3f360e4c},
    {0x1.e00000p-1f, 0x3f50aa8d},  {0x1.fe5a9ap-1f, 0x3f57637f},   {0x1.fffffep-1f, 0x3f57bb3d},
    {0x1.000000p+0f, 0x3f57bb3d},  {0x1.400000p+0f, 0x3f6c432f},   {0x1.800000p+0f, 0x3f7752ab},
    {0x1.e66666p+0f, 0x3f7e2783},  {0x1.000000p+1f, 0x3f7ecd71},   {0x1.400000p+1f, 0x3f7fe554},
    {0x1.800000p+1f, 0x3f7ffe8d},  {0x1.c00000p+1f, 0x3f7ffff4},   {0x1.e66666p+1f, 0x3f7fffff},
    {0x1.f33334p+1f, 0x3f7fffff},  {0x1.f9999ap+1f, 0x3f800000},   {0x1.000000p+2f, 0x3f800000},
    {0x1.400000p+2f, 0x3f800000},  {0x1.2a05f2p+33f, 0x3f800000},
};

KG_TEST(math, erf_is_within_its_bound)
{
    for (size_t i = 0; i < sizeof erf_table / sizeof erf_table[0]; i++) {
        float x = erf_table[i].x;
        int64_t off = (int64_t)bits_of_float(kg_erf_inline(x)) - erf_table[i].exact;
        KG_CHECK(t, off >= -1 && off <= 1);
        KG_CHECK_EQ(t, bits_of_float(kg_erf_inline(-x)), bits_of_float(kg_erf_inline(x)) | 0x80000000);
    }
    KG_CHECK(t, kg_erf_inline(__builtin_inff()) == 1.0f);
    KG_CHECK(t, kg_erf_inline(__builtin_nanf("")) != kg_erf_inline(__builtin_nanf("")));
}

/* A hash of erf's bits over its whole range, the same on every machine; and exp in both of its forms. */
KG_TEST(math, erf_and_exp_have_the_same_bits_everywhere)
{
    uint32_t erfs = 0, exps = 0;
    for (int i = -9000; i <= 9000; i++) {
        erfs = erfs * 31 + bits_of_float(kg_erf_inline((float)i / 2048));
        float x = (float)i / 64;
        exps += bits_of_float(kg_exp_inline(x)) != bits_of_float(kg_expf(x));
    }
    KG_CHECK_EQ(t, erfs, 0x02457e64);
    KG_CHECK_EQ(t, exps, 0);
}
