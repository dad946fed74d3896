/* Tokens are bytes; a console wants characters. Takes the pieces of a reply, gives out whole UTF-8 characters only,
 * and keeps back what may be the beginning of a stop string. What can never become a character is given out as
 * U+FFFD, one for each maximal subpart (Unicode 3.9, and Python's errors="replace"). However the bytes are cut into
 * pieces, the same text comes out. */
#ifndef KGPT_STREAM_H
#define KGPT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KG_STREAM_STOPS 8
#ifndef KG_STREAM_HELD
#define KG_STREAM_HELD 512 /* bytes that can be kept back: more than a character and any stop string */
#endif

struct kg_stream {
    const char *stops[KG_STREAM_STOPS]; /* NUL-terminated, the caller's */
    size_t stop_n[KG_STREAM_STOPS];
    uint32_t n_stops;
    char held[KG_STREAM_HELD];
    size_t n_held;
    bool stopped; /* a stop string is complete: neither it nor anything after it is given out */
    size_t cut;   /* then: bytes from its first one to the end of what was fed */
};

/* Forgets everything, the stop strings too. */
void kg_stream_begin(struct kg_stream *stream);

/* False if there is no room for it, or it is empty, has KG_STREAM_HELD / 2 bytes or more, or is not UTF-8. Of
 * several stop strings the one that is complete first counts, of two that end together the longer one. */
bool kg_stream_add_stop(struct kg_stream *stream, const char *text);

/* Most bytes that kg_stream_feed writes for `n` bytes, and kg_stream_end for n = 0: invalid ones become U+FFFD,
 * three bytes each. */
static inline size_t kg_stream_room(size_t n)
{
    return 3 * (n + KG_STREAM_HELD);
}

/* Takes `n` bytes and writes what can be shown now to `out`; its length. After a stop string stream->stopped is set. */
size_t kg_stream_feed(struct kg_stream *stream, const char *bytes, size_t n, char *out);

/* The reply has ended: what was kept back, with half characters as U+FFFD; nothing after a stop string. */
size_t kg_stream_end(struct kg_stream *stream, char *out);

#endif
