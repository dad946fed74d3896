#include "kgpt/str.h"

#include "kgpt/mem.h"
#include "kgpt/test.h"

KG_TEST(str, compares)
{
    KG_CHECK_EQ(t, kg_strlen(""), 0);
    KG_CHECK_EQ(t, kg_strlen("abc"), 3);
    KG_CHECK(t, kg_streq("abc", "abc") && !kg_streq("abc", "abd") && !kg_streq("ab", "abc") && !kg_streq("abc", "ab"));
    KG_CHECK(t, kg_str_starts("abc", "") && kg_str_starts("abc", "ab") && !kg_str_starts("ab", "abc"));
}

KG_TEST(str, suggests_what_was_meant)
{
    static const char *const names[] = {"mode", "temperature", "top_k", "top_p", "seed", NULL};
    KG_CHECK_TEXT(t, kg_suggest("temprature", names), "temperature");
    KG_CHECK_TEXT(t, kg_suggest("temp", names), "temperature");
    KG_CHECK_TEXT(t, kg_suggest("sede", names), "seed");
    KG_CHECK_TEXT(t, kg_suggest("topk", names), "top_k");
}

KG_TEST(str, suggests_nothing_far_off)
{
    static const char *const names[] = {"mode", "temperature", NULL};
    KG_CHECK(t, !kg_suggest("xyzzy", names));
    KG_CHECK(t, !kg_suggest("", names));
    KG_CHECK(t, !kg_suggest("q", names));
    KG_CHECK(t, !kg_suggest("a word that is much too long for any name here", names));
}

KG_TEST(memory, copies_overlapping_bytes)
{
    char text[] = "0123456789";
    memmove(text + 2, text, 5);
    KG_CHECK_TEXT(t, text, "0101234789");
    memmove(text, text + 2, 5);
    KG_CHECK_TEXT(t, text, "0123434789");
    memmove(text, text, 10);
    KG_CHECK_TEXT(t, text, "0123434789");
}

KG_TEST(memory, fills_and_copies_every_length)
{
    for (size_t n = 0; n < 40; n++) {
        unsigned char from[48], to[48];
        memset(from, 0xA5, sizeof from);
        memset(to, 0, sizeof to);
        memset(from + 3, 0x13C, n); /* only the low byte counts */
        KG_CHECK(t, memcpy(to + 1, from + 3, n) == to + 1);
        for (size_t i = 0; i < sizeof to; i++) {
            KG_CHECK_EQ(t, to[i], i >= 1 && i < 1 + n ? 0x3C : 0);
        }
        KG_CHECK_EQ(t, from[3 + n], 0xA5);
    }
}

KG_TEST(memory, compares_as_unsigned_bytes)
{
    KG_CHECK(t, memcmp("a\xFF", "a\x01", 2) > 0);
    KG_CHECK(t, memcmp("a\x01", "a\xFF", 2) < 0);
    KG_CHECK(t, memcmp("ab", "ac", 1) == 0 && memcmp("x", "y", 0) == 0);
}
