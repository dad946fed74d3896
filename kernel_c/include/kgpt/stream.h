/* Tokens are bytes; a console wants characters. Takes the pieces of a reply, gives out whole UTF-8 characters only, and keeps back what may be
 * the beginning of a stop string. */
#ifndef KGPT_STREAM_H
#define KGPT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KG_STREAM_STOPS 8
#define KG_STREAM_HELD 512 /* bytes that can be kept back: more than a character and any stop string */

struct kg_stream {
    const char *stops[KG_STREAM_STOPS]; /* NUL-terminated, each shorter than KG_STREAM_HELD / 2, not empty */
    uint32_t n_stops;
    char held[KG_STREAM_HELD];
    size_t n_held;
    bool stopped; /* a stop string is complete: nothing more is given out */
};

/* Forgets everything, the stop strings too. */
void kg_stream_begin(struct kg_stream *stream);

/* false if there is no room for it, or it is empty or too long */
bool kg_stream_add_stop(struct kg_stream *stream, const char *text);

/* Most bytes that kg_stream_feed writes for `n` bytes, and kg_stream_end for n = 0: invalid ones become U+FFFD, three bytes each. */
static inline size_t kg_stream_room(size_t n)
{
    return 3 * (n + KG_STREAM_HELD);
}

/* Takes `n` bytes and writes what can be shown now to `out`; its length. After a stop string: stream->stopped. */
size_t kg_stream_feed(struct kg_stream *stream, const char *bytes, size_t n, char *out);

/* The reply has ended: what was kept back, with half characters as U+FFFD; nothing after a stop string. */
size_t kg_stream_end(struct kg_stream *stream, char *out);

#endif
