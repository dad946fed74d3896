#include "kgpt/parse.h"

#include "kgpt/test.h"

KG_TEST(parse, whole_numbers)
{
    uint64_t value = 7;
    KG_CHECK(t, kg_parse_u64("0", &value) && value == 0);
    KG_CHECK(t, kg_parse_u64("18446744073709551615", &value) && value == UINT64_MAX);
    KG_CHECK(t, kg_parse_u64("0xfFffffffffffffff", &value) && value == UINT64_MAX);
    KG_CHECK(t, kg_parse_u64("007", &value) && value == 7);
}

KG_TEST(parse, refuses_what_is_no_whole_number)
{
    static const char *const wrong[] = {"",
                                        "-1",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "1.0",
                                        "12a",
                                        "0x",
                                        "0xg",
                                        "18446744073709551616",
                                        "0x10000000000000000",
                                        "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint64_t value = 7;
        if (kg_parse_u64(wrong[i], &value) || value != 7) {
            kg_test_fail(t, __LINE__, "\"%s\" was taken for a number", wrong[i]);
            return;
        }
    }
}

KG_TEST(parse, decimals)
{
    static const struct {
        const char *text;
        float value;
    } right[] = {
        {"0", 0.0f},       {"0.5", 0.5f},      {".5", 0.5f},  {"5.", 5.0f},    {"1e-3", 1e-3f},
        {"2.5E2", 250.0f}, {"0.8", 0.8f},      {"0.1", 0.1f}, {"100", 100.0f}, {"0.0000000000000000000001", 1e-22f},
        {"1e+1", 10.0f},   {"3.4e38", 3.4e38f}};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        float value = -1;
        if (!kg_parse_decimal(right[i].text, &value) || value != right[i].value) {
            kg_test_fail(t, __LINE__, "\"%s\" became %f", right[i].text, (double)value);
            return;
        }
    }
}

KG_TEST(parse, refuses_what_is_no_decimal)
{
    static const char *const wrong[] = {"",   ".",   "-1",   "+1",  "1.2.3", "1e",  "1e+",
                                        "e5", "1,5", "0.5 ", "nan", "inf",   "1e99"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        float value = 7;
        if (kg_parse_decimal(wrong[i], &value) || value != 7) {
            kg_test_fail(t, __LINE__, "\"%s\" was taken for a number", wrong[i]);
            return;
        }
    }
}

KG_TEST(parse, doubles_are_the_nearest)
{
    double value = 0;
    KG_CHECK(t, kg_parse_double("0.01", &value) && value == 0.01);
    KG_CHECK(t, kg_parse_double("1e-8", &value) && value == 1e-8);
    KG_CHECK(t, kg_parse_double("0.123456789012345", &value) && value == 0.123456789012345);
    KG_CHECK(t, kg_parse_double("1e22", &value) && value == 1e22);
    KG_CHECK(t, !kg_parse_double("1e23", &value) && !kg_parse_double("1234567890123456", &value));
    KG_CHECK(t, !kg_parse_double("", &value) && !kg_parse_double("-1", &value) && !kg_parse_double("1x", &value));
}
