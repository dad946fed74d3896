#include "kgpt/json.h"

#include "kgpt/mem.h"
#include "kgpt/test.h"

KG_TEST(json, a_line_of_every_kind)
{
    char line[512];
    struct kg_json json;
    kg_json_begin(&json, line, sizeof line, "e");
    kg_json_u64(&json, "u", UINT64_MAX);
    kg_json_i64(&json, "i", -1);
    kg_json_bool(&json, "b", true);
    kg_json_address(&json, "a", 0x1F00);
    kg_json_hex(&json, "h", "\x00\xFF", 2);
    kg_json_list_begin(&json, "l");
    kg_json_text(&json, NULL, "x");
    kg_json_u64(&json, NULL, 1);
    kg_json_list_end(&json);
    kg_json_object_begin(&json, "o");
    kg_json_object_end(&json);
    kg_json_bool(&json, "z", false);
    size_t n = kg_json_end(&json);
    KG_CHECK(t, n > 0);
    line[n] = '\0';
    KG_CHECK_TEXT(t, line,
                  "{\"event\":\"e\",\"u\":18446744073709551615,\"i\":-1,\"b\":true,\"a\":\"0x1f00\",\"h\":\"00ff\","
                  "\"l\":[\"x\",1],\"o\":{},\"z\":false}\n");
}

KG_TEST(json, escapes)
{
    char line[256];
    struct kg_json json;
    kg_json_begin(&json, line, sizeof line, "e");
    kg_json_text(&json, "t", "\"\\/\n\t\x01\x7F\xC3\xA9");
    line[kg_json_end(&json)] = '\0';
    KG_CHECK_TEXT(t, line, "{\"event\":\"e\",\"t\":\"\\\"\\\\/\\u000a\\u0009\\u0001\\u007f\xC3\xA9\"}\n");
}

KG_TEST(json, bytes_that_are_no_text_stay_valid_json)
{
    char line[256];
    struct kg_json json;
    kg_json_begin(&json, line, sizeof line, "e");
    kg_json_text_n(&json, "t", "a\xFF\xE2\x82z\0b", 7);
    line[kg_json_end(&json)] = '\0';
    KG_CHECK_TEXT(t, line, "{\"event\":\"e\",\"t\":\"a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz\\u0000b\"}\n");
}

KG_TEST(json, decimals)
{
    char line[256];
    struct kg_json json;
    kg_json_begin(&json, line, sizeof line, "e");
    kg_json_decimal(&json, "a", 0.5f);
    kg_json_decimal(&json, "b", 1.0f);
    kg_json_decimal(&json, "c", 0.0f);
    kg_json_decimal(&json, "d", __builtin_nanf(""));
    kg_json_decimal(&json, "e", -0x1p-13f);
    kg_json_decimal(&json, "f", __builtin_inff());
    line[kg_json_end(&json)] = '\0';
    KG_CHECK_TEXT(t, line,
                  "{\"event\":\"e\",\"a\":0.5,\"b\":1.0,\"c\":0.0,\"d\":null,\"e\":-0.122070313e-3,\"f\":1.0e999}\n");
}

KG_TEST(json, a_line_that_does_not_fit_is_told)
{
    char line[40];
    struct kg_json json;
    for (size_t size = 0; size < sizeof line; size++) {
        memset(line, 'z', sizeof line);
        kg_json_begin(&json, line, size, "event");
        kg_json_text(&json, "key", "value");
        size_t n = kg_json_end(&json); /* {"event":"event","key":"value"}\n */
        KG_CHECK_EQ(t, n, size >= 32 ? 32 : 0);
        KG_CHECK(t, line[size] == 'z');
    }
}
