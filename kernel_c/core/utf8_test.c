#include "kgpt/utf8.h"

#include "kgpt/test.h"

KG_TEST(utf8, lengths_and_codes)
{
    static const struct {
        const char *text;
        size_t length;
        uint32_t code;
    } right[] = {{"a", 1, 'a'},
                 {"\xC3\xA9", 2, 0xE9},
                 {"\xE2\x82\xAC", 3, 0x20AC},
                 {"\xF0\x9F\x98\x80", 4, 0x1F600},
                 {"\xF4\x8F\xBF\xBF", 4, 0x10FFFF},
                 {"\xED\x9F\xBF", 3, 0xD7FF},
                 {"\xC2\x80", 2, 0x80}};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        size_t n = kg_strlen(right[i].text);
        KG_CHECK_EQ(t, kg_utf8_length(right[i].text, n), right[i].length);
        KG_CHECK_EQ(t, kg_utf8_code(right[i].text, n), right[i].code);
        KG_CHECK_EQ(t, kg_utf8_length(right[i].text, n - 1), 0);
    }
}

KG_TEST(utf8, refuses_what_is_no_character)
{
    static const char *const wrong[] = {
        "\x80", /* continuation byte alone */
        "\xC0\x80",
        "\xC1\xBF", /* overlong */
        "\xE0\x9F\xBF",
        "\xF0\x8F\xBF\xBF", /* overlong */
        "\xED\xA0\x80",
        "\xED\xBF\xBF", /* surrogates */
        "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80", /* above U+10FFFF */
        "\xC3(",
        "\xE2\x82(",
        "\xFF",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        KG_CHECK_EQ(t, kg_utf8_length(wrong[i], kg_strlen(wrong[i])), 0);
    }
}

KG_TEST(utf8, encodes_what_it_decodes)
{
    static const uint32_t codes[] = {0, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        char bytes[4];
        size_t length = kg_utf8_encode(codes[i], bytes);
        KG_CHECK_EQ(t, kg_utf8_length(bytes, length), length);
        KG_CHECK_EQ(t, kg_utf8_code(bytes, length), codes[i]);
    }
}

KG_TEST(utf8, printable)
{
    char text[] = "a\xC3\xA9\n\x1b[\x7F\xC2\x9B\xE2\x82|\xFF\xE2\x82\xAC\xC3";
    kg_utf8_printable(text, sizeof text - 1, true);
    KG_CHECK_TEXT(t, text, "a\xC3\xA9\n?[?????|?\xE2\x82\xAC?");
    kg_utf8_printable(text, sizeof text - 1, false);
    KG_CHECK_TEXT(t, text, "a\xC3\xA9??[?????|?\xE2\x82\xAC?");
}
