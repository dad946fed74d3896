#include "kgpt/json.h"

#include "kgpt/mem.h"
#include "kgpt/test.h"

static char written[1024];
static size_t n_written;

static void collect_piece(const char *bytes, size_t n)
{
    size_t room = sizeof written - 1 - n_written;
    n = n < room ? n : room;
    memcpy(written + n_written, bytes, n);
    n_written += n;
    written[n_written] = '\0';
}

static void begin_line(struct kg_json *json)
{
    n_written = 0;
    kg_json_begin(json, collect_piece, "e");
}

KG_TEST(json, a_line_of_every_kind)
{
    struct kg_json json;
    begin_line(&json);
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
    kg_json_end(&json);
    KG_CHECK_TEXT(t, written,
                  "{\"event\":\"e\",\"u\":18446744073709551615,\"i\":-1,\"b\":true,\"a\":\"0x1f00\",\"h\":\"00ff\","
                  "\"l\":[\"x\",1],\"o\":{},\"z\":false}\n");
}

KG_TEST(json, escapes)
{
    struct kg_json json;
    begin_line(&json);
    kg_json_text(&json, "t", "\"\\/\n\t\x01\x7F\xC3\xA9");
    kg_json_end(&json);
    KG_CHECK_TEXT(t, written, "{\"event\":\"e\",\"t\":\"\\\"\\\\/\\u000a\\u0009\\u0001\\u007f\xC3\xA9\"}\n");
}

KG_TEST(json, bytes_that_are_no_text_stay_valid_json)
{
    struct kg_json json;
    begin_line(&json);
    kg_json_text_n(&json, "t", "a\xFF\xE2\x82z\0b", 7);
    kg_json_end(&json);
    KG_CHECK_TEXT(t, written, "{\"event\":\"e\",\"t\":\"a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz\\u0000b\"}\n");
}

KG_TEST(json, decimals)
{
    struct kg_json json;
    begin_line(&json);
    kg_json_decimal(&json, "a", 0.5f);
    kg_json_decimal(&json, "b", 1.0f);
    kg_json_decimal(&json, "c", 0.0f);
    kg_json_decimal(&json, "d", __builtin_nanf(""));
    kg_json_decimal(&json, "e", -0x1p-13f);
    kg_json_decimal(&json, "f", __builtin_inff());
    kg_json_end(&json);
    KG_CHECK_TEXT(t, written,
                  "{\"event\":\"e\",\"a\":0.5,\"b\":1.0,\"c\":0.0,\"d\":null,\"e\":-0.122070313e-3,\"f\":1.0e999}\n");
}

KG_TEST(json, a_line_longer_than_a_piece)
{
    struct kg_json json;
    char text[sizeof json.chunk];
    for (size_t n = sizeof text - 40; n < sizeof text; n++) { /* the rest of the line is 21 bytes */
        memset(text, 'z', n);
        begin_line(&json);
        kg_json_text_n(&json, "t", text, n);
        kg_json_end(&json);
        KG_CHECK_EQ(t, n_written, n + 21);
        KG_CHECK(t, memcmp(written + 18, text, n) == 0);
        KG_CHECK_TEXT(t, written + 18 + n, "\"}\n");
    }
}
