/* One file by HTTP/1.1 for a client, as bytes: requests are written, the heads of responses read and checked. A file
 * whose connection broke is asked for from the place that was reached, and is refused if it is another one by then.
 * Nothing here knows a connection or a clock. */
#ifndef KGPT_HTTP_GET_H
#define KGPT_HTTP_GET_H

#include "kgpt/http.h"
#include "kgpt/url.h"

/* The head of a response. */
struct kg_http_response {
    struct kg_http_head head; /* fields; n; content_size, if has_size; minor; chunked */
    uint32_t status;
    bool has_size;
    bool has_range;              /* Content-Range, of one range of known bytes: */
    uint64_t first, last, total; /* total 0: not told */
};

/* As kg_http_read_head: KG_HTTP_WHOLE, 0, or another number and *problem. */
uint32_t kg_http_read_response(struct kg_http_response *response, const char *bytes, size_t n, const char **problem);

#define KG_HTTP_TAG 128u /* bytes of an entity tag or a date that are kept; a longer one is not used */

struct kg_http_get {
    const struct kg_url *url;
    char tag[KG_HTTP_TAG]; /* a strong entity tag, else Last-Modified; "": none */
    bool known;            /* a response told the size: */
    uint64_t size, done;   /* bytes of the file, and those that the caller has */
    uint64_t left;         /* of the response that is read */
    uint64_t skip;         /* … of them, those that the caller has already: the server gives no ranges */
};

enum kg_http_got {
    KG_HTTP_GOT_MORE,    /* the head is not complete */
    KG_HTTP_GOT_BODY,    /* get->left bytes follow the head */
    KG_HTTP_GOT_NONE,    /* 404 or 410: there is no such file */
    KG_HTTP_GOT_LATER,   /* the server asks to try again: 408, 429, 500 to 504 */
    KG_HTTP_GOT_ANOTHER, /* it is not the file any more whose beginning the caller has */
    KG_HTTP_GOT_REFUSED, /* by the server, or by us: `problem` says why */
};

void kg_http_get_begin(struct kg_http_get *get, const struct kg_url *url);

/* The request for what is missing. False: it has no room. */
bool kg_http_get_ask(const struct kg_http_get *get, struct kg_http_out *out);

/* Reads the head of the response from the start of `n` bytes; *used: its length. `problem` of `size` bytes. */
enum kg_http_got kg_http_get_head(struct kg_http_get *get, const char *bytes, size_t n, size_t *used, char *problem,
                                  size_t size);

/* `n` bytes of the body came, at most get->left. Returns how many of their first the caller has already. */
size_t kg_http_get_body(struct kg_http_get *get, size_t n);

#endif
