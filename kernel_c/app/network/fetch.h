/* One file of a server into memory, by HTTP or TFTP. Connections that break are made again, later and later, and the
 * file goes on where it was. */
#ifndef KGPT_APP_FETCH_H
#define KGPT_APP_FETCH_H

#include "kgpt/dial.h"
#include "kgpt/http_get.h"
#include "kgpt/tftp.h"

enum kg_fetch_end {
    KG_FETCH_GOOD,
    KG_FETCH_NONE,    /* the server has no such file */
    KG_FETCH_ANOTHER, /* the file became another one while it was read */
    KG_FETCH_STOPPED,
    KG_FETCH_FAILED, /* fetch->problem says why */
};

struct kg_fetch {
    const struct kg_dial *dial;
    const struct kg_url *url;
    void *context;                  /* of the two functions, which are called often: */
    bool (*stopped)(void *context); /* it shall end; also shows how far it is */
    bool (*work)(void *context);    /* does something useful for a millisecond; false: there was nothing to do */
    void (*again)(void *context, const char *problem, uint32_t ms); /* the connection broke; it waits so long */
    uint32_t address;
    uint64_t size, done;
    uint32_t failures; /* in a row */
    uint64_t begun;    /* `done` when the connection was made */
    union {
        struct kg_http_get http;
        struct kg_tftp tftp;
    };
    char head[KG_HTTP_HEAD_MAX]; /* of a response, and the `held` bytes at `held_at` of its body */
    size_t held_at, held;
    char problem[256];
};

/* Asks for the file until its size is known. `dial`, `url` and the functions are set. */
enum kg_fetch_end kg_fetch_open(struct kg_fetch *fetch);

/* After KG_FETCH_GOOD: reads all of it to `to`, of fetch->size bytes. */
enum kg_fetch_end kg_fetch_read(struct kg_fetch *fetch, uint8_t *to);

/* After kg_fetch_open, whatever came of it and of kg_fetch_read. */
void kg_fetch_close(struct kg_fetch *fetch);

/* fetch_http.c, fetch_tftp.c */
enum kg_fetch_end kg_fetch_http_open(struct kg_fetch *fetch);
enum kg_fetch_end kg_fetch_http_read(struct kg_fetch *fetch, uint8_t *to);
enum kg_fetch_end kg_fetch_tftp_open(struct kg_fetch *fetch);
enum kg_fetch_end kg_fetch_tftp_read(struct kg_fetch *fetch, uint8_t *to);

/* fetch_wait.c: waits for the network, or works meanwhile. False: it shall stop. */
bool kg_fetch_wait(struct kg_fetch *fetch);

enum kg_fetch_end kg_fetch_fail(struct kg_fetch *fetch, const char *problem);

#endif
