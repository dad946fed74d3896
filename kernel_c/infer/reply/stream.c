/* Pieces of a reply become text: see kgpt/stream.h. */
#include "kgpt/stream.h"

#include "kgpt/str.h"
#include "kgpt/utf8.h"

#define REPLACEMENT "\xEF\xBF\xBD"

void kg_stream_begin(struct kg_stream *stream)
{
    stream->n_stops = 0;
    stream->n_held = 0;
    stream->stopped = false;
}

bool kg_stream_add_stop(struct kg_stream *stream, const char *text)
{
    size_t n = kg_strlen(text), length;
    for (size_t i = 0; i < n; i += length) {
        if ((length = kg_utf8_length(text + i, n - i)) == 0) {
            return false; /* a stop string that is no UTF-8 could cut a character in two */
        }
    }
    if (stream->n_stops == KG_STREAM_STOPS || n == 0 || n >= KG_STREAM_HELD / 2) {
        return false;
    }
    stream->stop_n[stream->n_stops] = n;
    stream->stops[stream->n_stops++] = text;
    return true;
}

/* The length of the character, or of the longest beginning of one, at the start of n > 0 bytes. *whole: it is a
 * character; *open: more bytes could complete it. */
static size_t measure_character(const char *s, size_t n, bool *whole, bool *open)
{
    const uint8_t *bytes = (const uint8_t *)s;
    uint8_t lead = bytes[0];
    size_t need = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    size_t have = 1;
    uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;  /* of the second byte: no overlong forms, */
    uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF; /* no surrogates, nothing past U+10FFFF */
    while (have < need && have < n && bytes[have] >= low && bytes[have] <= high) {
        have++;
        low = 0x80;
        high = 0xBF;
    }
    *whole = have == need;
    *open = have < need && have == n;
    return have;
}

/* Gives out the first `n` held bytes. A character that is not complete at the end of the held bytes stays, unless
 * `final`. */
static size_t give_out_held(struct kg_stream *stream, size_t n, bool final, char *out)
{
    size_t at = 0, written = 0;
    while (at < n) {
        bool whole, open;
        size_t length = measure_character(stream->held + at, (final ? n : stream->n_held) - at, &whole, &open);
        if (open && !final) {
            break;
        }
        const char *text = whole ? stream->held + at : REPLACEMENT;
        for (size_t i = 0; i < (whole ? length : sizeof REPLACEMENT - 1); i++) {
            out[written++] = text[i];
        }
        at += length;
    }
    for (size_t i = at; i < stream->n_held; i++) {
        stream->held[i - at] = stream->held[i];
    }
    stream->n_held -= at;
    return written;
}

static bool held_ends_with(const struct kg_stream *stream, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) { /* from the end, where texts nearly always differ */
        if (i >= stream->n_held || stream->held[stream->n_held - 1 - i] != text[n - 1 - i]) {
            return false;
        }
    }
    return true;
}

/* Bytes of the longest stop string that is complete, 0 if none is. */
static size_t complete_stop(const struct kg_stream *stream)
{
    size_t longest = 0;
    for (uint32_t i = 0; i < stream->n_stops; i++) {
        if (stream->stop_n[i] > longest && held_ends_with(stream, stream->stops[i], stream->stop_n[i])) {
            longest = stream->stop_n[i];
        }
    }
    return longest;
}

/* Bytes at the end that may be the beginning of a stop string. */
static size_t possible_stop(const struct kg_stream *stream)
{
    size_t longest = 0;
    for (uint32_t i = 0; i < stream->n_stops; i++) {
        for (size_t n = stream->stop_n[i] - 1; n > longest; n--) {
            if (held_ends_with(stream, stream->stops[i], n)) {
                longest = n;
            }
        }
    }
    return longest;
}

size_t kg_stream_feed(struct kg_stream *stream, const char *bytes, size_t n, char *out)
{
    size_t written = 0;
    for (size_t i = 0; i < n && !stream->stopped; i++) {
        if (stream->n_held == KG_STREAM_HELD) { /* a stop string needs less than half of it */
            written += give_out_held(stream, stream->n_held - possible_stop(stream), false, out + written);
        }
        stream->held[stream->n_held++] = bytes[i];
        size_t stop = complete_stop(stream);
        if (stop > 0) {
            written += give_out_held(stream, stream->n_held - stop, true, out + written);
            stream->n_held = 0;
            stream->stopped = true;
            stream->cut = stop + (n - 1 - i);
        }
    }
    return written + give_out_held(stream, stream->n_held - possible_stop(stream), false, out + written);
}

size_t kg_stream_end(struct kg_stream *stream, char *out)
{
    return give_out_held(stream, stream->n_held, true, out);
}
