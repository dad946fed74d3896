/* HTTP/1.1 (RFC 9112) as bytes. For a server: the heads of requests are read, chunked bodies decoded, and answers
 * written. For a client: kgpt/http_get.h. Nothing here knows a connection or a clock. */
#ifndef KGPT_HTTP_H
#define KGPT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/str.h"

#define KG_HTTP_HEAD_MAX 8192u /* bytes of a head; a longer one is refused: 431, or 414 where its first line is */
#define KG_HTTP_FIELDS 64u     /* fields of a head; more are refused: 431 */

struct kg_http_field {
    struct kg_text name, value; /* the value without white space around it */
};

/* The head of a request. Texts point into the bytes that were read. */
struct kg_http_head {
    bool chunked;
    bool keeps;                         /* the connection may serve another request */
    bool expects;                       /* the client waits for "100 Continue" before it sends the body */
    uint8_t minor;                      /* HTTP/1.minor: 0 or 1 */
    uint32_t n_fields;                  /* of `fields` */
    size_t n;                           /* bytes of the head, with the empty line */
    uint64_t content_size;              /* of a body that is not chunked */
    struct kg_text method, path, query; /* the target, divided at its first "?" */
    struct kg_http_field fields[KG_HTTP_FIELDS];
};

#define KG_HTTP_WHOLE 200u

/* Reads a head from the start of `n` bytes. KG_HTTP_WHOLE: it is complete. 0: it is not complete yet. Otherwise the
 * status of the refusal, and *problem says why. */
uint32_t kg_http_read_head(struct kg_http_head *head, const char *bytes, size_t n, const char **problem);

/* The value of the first field of this name (in small letters); without data: there is none. */
struct kg_text kg_http_field(const struct kg_http_head *head, const char *name);

/* A part of a path without its escapes (%20); at most `size` bytes are stored. Returns their number. */
size_t kg_http_unescape(struct kg_text text, char *out, size_t size);

/* True if the texts are equal, where letters are compared without their case. `b` is in small letters. */
bool kg_http_same(struct kg_text a, const char *b);

/* A chunked body that arrives in any pieces. Zero at the start. */
struct kg_http_chunked {
    uint64_t left;    /* bytes of the chunk, or the number in its first line so far */
    uint32_t line;    /* bytes of the current line of the framing */
    uint32_t trailer; /* bytes of the fields behind the last chunk */
    uint8_t state;
    bool whole;          /* the body is complete */
    const char *problem; /* the framing is wrong: 400 */
};

/* Decodes up to `n` bytes. Returns how many of them belong to the body; *got: bytes that were written to `out`, at most
 * `room`. It stops behind the body, where `out` is full, and at a problem. */
size_t kg_http_unchunk(struct kg_http_chunked *chunked, const char *bytes, size_t n, char *out, size_t room,
                       size_t *got);

/* Bytes to send, in a buffer of fixed size. What does not fit is left out and sets `full`. */
struct kg_http_out {
    char *data;
    size_t n, size;
    bool full;
};

void kg_http_put(struct kg_http_out *out, const char *bytes, size_t n);
void kg_http_say(struct kg_http_out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The reason phrase of a status. */
const char *kg_http_reason(uint32_t status);

/* A chunk of a chunked body is begun, filled by other functions, and ended: KG_HTTP_CHUNK_SIZE bytes of framing. One
 * without content is left out. The last chunk ends the body. */
#define KG_HTTP_CHUNK_MOST 0xFFFFFu /* bytes in one chunk */
#define KG_HTTP_CHUNK_SIZE 9u
size_t kg_http_chunk_begin(struct kg_http_out *out);
void kg_http_chunk_end(struct kg_http_out *out, size_t mark);
void kg_http_chunk_last(struct kg_http_out *out);

#endif
