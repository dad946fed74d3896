#include "kgpt/stream.h"

#include "kgpt/test.h"

/* Feeds the pieces (NULL ends them), with a "|" after what each of them lets out, then the end. */
static const char *streamed(struct kg_stream *stream, const char *const *pieces)
{
    static char text[4096];
    size_t n = 0;
    for (; *pieces; pieces++) {
        n += kg_stream_feed(stream, *pieces, kg_strlen(*pieces), text + n);
        text[n++] = '|';
    }
    n += kg_stream_end(stream, text + n);
    text[n] = '\0';
    return text;
}

#define STREAMED(stream, ...) streamed(stream, (const char *const[]){__VA_ARGS__, NULL})

KG_TEST(stream, only_whole_characters)
{
    struct kg_stream stream;
    kg_stream_begin(&stream);
    KG_CHECK_TEXT(t, STREAMED(&stream, "a\xC3", "\xA9\xF0\x9F", "\x98", "\x80!"), "a|\xC3\xA9||\xF0\x9F\x98\x80!|");
    KG_CHECK_TEXT(t, STREAMED(&stream, "\xE2\x82"), "|\xEF\xBF\xBD");             /* cut off */
    KG_CHECK_TEXT(t, STREAMED(&stream, "\xE2\x82", "x"), "|\xEF\xBF\xBDx|");      /* never a character */
    KG_CHECK_TEXT(t, STREAMED(&stream, "\xED\xA0"), "\xEF\xBF\xBD\xEF\xBF\xBD|"); /* a surrogate: not even begun */
    KG_CHECK_TEXT(t, STREAMED(&stream, "\x80", "\xFF"), "\xEF\xBF\xBD|\xEF\xBF\xBD|");
}

KG_TEST(stream, stop_strings_are_kept_back)
{
    struct kg_stream stream;
    kg_stream_begin(&stream);
    KG_CHECK(t, kg_stream_add_stop(&stream, "END") && kg_stream_add_stop(&stream, "\n\nUser:"));
    KG_CHECK_TEXT(t, STREAMED(&stream, "an E", "N", "ERGY\n", "\nUse", " it"), "an ||ENERGY||\n\nUse it|");
    KG_CHECK(t, !stream.stopped);
    KG_CHECK_TEXT(t, STREAMED(&stream, "the E", "NDx", "y"), "the |||");
    KG_CHECK(t, stream.stopped);
    KG_CHECK_EQ(t, stream.n_held, 0);
    kg_stream_begin(&stream);
    KG_CHECK(t, kg_stream_add_stop(&stream, "\n\nUser:"));
    KG_CHECK_TEXT(t, STREAMED(&stream, "hi\n", "\n", "\nUser", ":"), "hi||\n||"); /* three newlines: the last two */
    KG_CHECK(t, stream.stopped);
}

KG_TEST(stream, of_two_that_end_together_the_longer_one)
{
    struct kg_stream stream;
    kg_stream_begin(&stream);
    KG_CHECK(t, kg_stream_add_stop(&stream, "b") && kg_stream_add_stop(&stream, "aab"));
    KG_CHECK_TEXT(t, STREAMED(&stream, "xaa", "abc"), "x|a|");
    KG_CHECK(t, stream.stopped);
}

KG_TEST(stream, refuses_impossible_stop_strings)
{
    struct kg_stream stream;
    char text[KG_STREAM_HELD / 2 + 1];
    for (uint32_t i = 0; i < sizeof text; i++) {
        text[i] = i + 1 < sizeof text ? 'a' : '\0';
    }
    kg_stream_begin(&stream);
    KG_CHECK(t, !kg_stream_add_stop(&stream, ""));
    KG_CHECK(t, !kg_stream_add_stop(&stream, "\xA9"));
    KG_CHECK(t, !kg_stream_add_stop(&stream, text));
    KG_CHECK(t, kg_stream_add_stop(&stream, text + 1));
    while (stream.n_stops < KG_STREAM_STOPS) {
        KG_CHECK(t, kg_stream_add_stop(&stream, "x"));
    }
    KG_CHECK(t, !kg_stream_add_stop(&stream, "x"));
}

KG_TEST(stream, a_long_piece_with_what_looks_like_a_stop)
{
    enum { MANY = 2000 };
    struct kg_stream stream;
    static char in[MANY + 1], out[3 * (MANY + KG_STREAM_HELD)], stop[KG_STREAM_HELD / 2];
    for (uint32_t i = 0; i < MANY; i++) {
        in[i] = 'a';
    }
    for (uint32_t i = 0; i + 1 < sizeof stop; i++) {
        stop[i] = i + 2 < sizeof stop ? 'a' : 'b';
    }
    kg_stream_begin(&stream);
    KG_CHECK(t, kg_stream_add_stop(&stream, stop));
    size_t n = kg_stream_feed(&stream, in, MANY, out);
    KG_CHECK_EQ(t, n, MANY - (sizeof stop - 2));
    KG_CHECK_EQ(t, n + kg_stream_end(&stream, out + n), MANY);
}
