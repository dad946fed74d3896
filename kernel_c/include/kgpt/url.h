/* Addresses of files on servers: http://HOST[:PORT]/PATH and tftp://HOST[:PORT]/PATH, with #sha256=DIGITS if the file
 * must have this hash. */
#ifndef KGPT_URL_H
#define KGPT_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/error.h"

#define KG_URL_MOST 511u  /* bytes of one */
#define KG_URL_HOST 254u  /* with the NUL: DNS has no longer names */
#define KG_URL_SHA256 32u /* bytes */

enum kg_url_scheme { KG_URL_HTTP, KG_URL_TFTP };

struct kg_url {
    enum kg_url_scheme scheme;
    char host[KG_URL_HOST];
    uint16_t port;
    char path[KG_URL_MOST + 1]; /* from its first slash on, with the query and its escapes */
    bool stated;                /* … #sha256= */
    uint8_t sha256[KG_URL_SHA256];
};

enum kg_status kg_url_read(struct kg_url *url, const char *text, struct kg_error *error);

/* Makes `to` the file beside the one of `url` whose path ends in `end` in place of the last `cut` bytes, without a
 * query and a hash. False: there is no room for it. */
bool kg_url_beside(const struct kg_url *url, size_t cut, const char *end, struct kg_url *to);

#endif
