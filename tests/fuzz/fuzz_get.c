/* Addresses of files, and responses of HTTP servers to a client that reads one. An odd first byte: an address follows.
 * Otherwise: responses, each behind a byte of 0 but the first, whose bodies are read in pieces by the first byte. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kgpt/http_get.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

UNWATCHED static void try_url(const char *text)
{
    struct kg_url url, beside;
    struct kg_error error;
    if (kg_url_read(&url, text, &error) != KG_OK) {
        promise(error.message[0] && error.hint[0]);
        return;
    }
    promise(url.host[0] && url.port && url.path[0] == '/' && url.path[1] && kg_str_has_scheme(text));
    promise(strlen(url.path) < sizeof url.path && strlen(url.host) < sizeof url.host);
    if (kg_url_beside(&url, 5, ".kgct", &beside)) {
        promise(!beside.stated && strlen(beside.path) <= KG_URL_MOST && !strchr(beside.path, '?'));
    }
    char bytes[2048];
    struct kg_http_get get;
    struct kg_http_out out = {.data = bytes, .size = sizeof bytes};
    kg_http_get_begin(&get, &url);
    promise(kg_http_get_ask(&get, &out) && out.n > 20 && memcmp(bytes + out.n - 4, "\r\n\r\n", 4) == 0);
}

UNWATCHED static void check_response(const char *bytes, size_t n)
{
    struct kg_http_response response;
    const char *problem;
    uint32_t read = kg_http_read_response(&response, bytes, n, &problem);
    promise(read == 0 || read == KG_HTTP_WHOLE || problem);
    if (read == KG_HTTP_WHOLE) {
        size_t length = response.head.n;
        promise(length <= n && response.status >= 100 && response.status <= 999);
        promise(!response.has_range ||
                (response.first <= response.last && (!response.total || response.last < response.total)));
        promise(kg_http_read_response(&response, bytes, length - 1, &problem) == 0); /* not before its last byte */
    }
}

/* Reads up to `n` bytes of the body. */
UNWATCHED static void read_body(struct kg_http_get *get, uint64_t n, size_t step)
{
    while (n > 0 && get->left > 0) {
        uint64_t part = n < step ? n : step, done = get->done, skip = get->skip;
        part = part < get->left ? part : get->left;
        size_t had = kg_http_get_body(get, (size_t)part);
        promise(had <= part && had <= skip && get->done == done + part - had && get->done <= get->size);
        n -= part;
    }
}

/* One connection. False: the transfer has ended. */
UNWATCHED static bool try_response(struct kg_http_get *get, const char *bytes, size_t n, size_t step)
{
    struct kg_http_get before = *get;
    char problem[128] = "", request[2048];
    size_t used = 0;
    struct kg_http_out out = {.data = request, .size = sizeof request};
    promise(kg_http_get_ask(get, &out));
    check_response(bytes, n);
    enum kg_http_got got = kg_http_get_head(get, bytes, n, &used, problem, sizeof problem);
    promise(used <= n && get->done == before.done);
    promise((got != KG_HTTP_GOT_REFUSED && got != KG_HTTP_GOT_LATER) || problem[0]);
    promise(strlen(get->tag) < sizeof get->tag && (!before.known || get->size == before.size));
    if (got == KG_HTTP_GOT_BODY) {
        promise(get->known && get->skip <= get->left && get->done + get->left - get->skip <= get->size);
        read_body(get, n - used, step);
    }
    return got == KG_HTTP_GOT_BODY || got == KG_HTTP_GOT_LATER || got == KG_HTTP_GOT_MORE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kg_url url = {.port = 8000, .host = "h", .path = "/x.gguf"};
    struct kg_http_get get;
    if (size < 2) {
        return 0;
    }
    char *bytes = malloc(size);
    promise(bytes);
    memcpy(bytes, data + 1, size - 1);
    bytes[size - 1] = '\0';
    if (data[0] & 1) {
        try_url(bytes);
    } else {
        bool goes_on = true;
        kg_http_get_begin(&get, &url);
        for (size_t at = 0; at < size - 1 && goes_on;) {
            size_t n = strlen(bytes + at);
            char *copy = malloc(n ? n : 1); /* of exactly its size, for the sanitizers */
            promise(copy);
            memcpy(copy, bytes + at, n);
            goes_on = try_response(&get, copy, n, 1 + data[0] / 2u);
            free(copy);
            at += n + 1;
        }
    }
    free(bytes);
    return 0;
}
