/* Converts tokens' bytes to whole UTF-8 characters, and detects stop strings. It holds back incomplete characters
 * and possible beginnings of a stop string. Invalid bytes become U+FFFD, one for each maximal subpart (Unicode 3.9,
 * as Python's errors="replace"). The output does not depend on how the input is divided. */
#ifndef KGPT_STREAM_H
#define KGPT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KG_STREAM_STOPS 8
#ifndef KG_STREAM_HELD
#define KG_STREAM_HELD 512 /* capacity for bytes held back: more than one character and any stop string */
#endif

struct kg_stream {
    const char *stops[KG_STREAM_STOPS]; /* NUL-terminated, owned by the caller */
    size_t stop_n[KG_STREAM_STOPS];
    uint32_t n_stops;
    char held[KG_STREAM_HELD];
    size_t n_held;
    bool stopped; /* a stop string was found: it and later bytes are not output */
    size_t cut;   /* if stopped: bytes from the start of the stop string to the end of the input */
};

/* Clears the state and the stop strings. */
void kg_stream_begin(struct kg_stream *stream);

/* Adds a stop string. Returns false if the table is full, or if the string is empty, not UTF-8, or KG_STREAM_HELD /
 * 2 bytes or longer. The string that completes first stops the stream; of two that complete together, the longer
 * one. */
bool kg_stream_add_stop(struct kg_stream *stream, const char *text);

/* Largest output of kg_stream_feed for `n` bytes, and of kg_stream_end for n = 0: an invalid byte becomes U+FFFD,
 * three bytes. */
static inline size_t kg_stream_room(size_t n)
{
    return 3 * (n + KG_STREAM_HELD);
}

/* Feeds `n` bytes, writes the text that can be shown now to `out`, and returns its length. Sets stream->stopped at a
 * stop string. */
size_t kg_stream_feed(struct kg_stream *stream, const char *bytes, size_t n, char *out);

/* Flushes at the end of a reply, with incomplete characters as U+FFFD; nothing after a stop string. Returns the
 * length. */
size_t kg_stream_end(struct kg_stream *stream, char *out);

#endif
