/* Fuzzes requests of HTTP. The first byte says how a chunked body is divided. A head that grows byte by byte is refused
 * or complete at one place; its texts lie within it; a chunked body is the same in any pieces, and fits its room. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kgpt/http.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

UNWATCHED static void check_within(struct kg_text text, const char *bytes, size_t n)
{
    promise(text.n == 0 || (text.data >= bytes && text.data + text.n <= bytes + n));
}

UNWATCHED static void check_head(const struct kg_http_head *head, const char *bytes, size_t n)
{
    promise(head->n >= 4 && head->n <= n && head->n <= KG_HTTP_HEAD_MAX && head->n_fields <= KG_HTTP_FIELDS);
    promise(head->method.n > 0 && head->path.n > 0 && head->minor <= 1);
    promise(!(head->chunked && head->content_size));
    check_within(head->method, bytes, head->n);
    check_within(head->path, bytes, head->n);
    check_within(head->query, bytes, head->n);
    for (uint32_t i = 0; i < head->n_fields; i++) {
        check_within(head->fields[i].name, bytes, head->n);
        check_within(head->fields[i].value, bytes, head->n);
        promise(head->fields[i].name.n > 0);
    }
}

UNWATCHED static void try_head(const char *bytes, size_t n)
{
    struct kg_http_head head, sooner;
    const char *problem;
    char path[64];
    uint32_t status = kg_http_read_head(&head, bytes, n, &problem);
    promise(status == 0 || status == KG_HTTP_WHOLE || (status >= 400 && status < 600 && problem));
    if (status != KG_HTTP_WHOLE) {
        return;
    }
    check_head(&head, bytes, n);
    promise(kg_http_read_head(&sooner, bytes, head.n - 1, &problem) == 0); /* not before its last byte */
    promise(kg_http_unescape(head.path, path, sizeof path) <= sizeof path);
    (void)kg_http_field(&head, "content-type");
}

/* Decodes in pieces of `step` bytes into `out`; returns what was written, and in *taken what was used. */
UNWATCHED static size_t unchunk(const char *bytes, size_t n, size_t step, char *out, size_t room, size_t *taken,
                                struct kg_http_chunked *chunked)
{
    size_t written = 0, at = 0, got;
    *chunked = (struct kg_http_chunked){0};
    while (at < n && !chunked->whole && !chunked->problem) {
        size_t part = n - at < step ? n - at : step;
        size_t used = kg_http_unchunk(chunked, bytes + at, part, out + written, room - written, &got);
        promise(used <= part && got <= room - written);
        written += got;
        at += used;
        if (used == 0) {
            break; /* `out` is full */
        }
    }
    *taken = at;
    return written;
}

UNWATCHED static void try_chunks(const char *bytes, size_t n, size_t step, size_t room)
{
    struct kg_http_chunked whole, divided;
    size_t taken, taken_divided;
    char *out = malloc(room ? room : 1), *other = malloc(room ? room : 1);
    promise(out && other);
    size_t written = unchunk(bytes, n, n, out, room, &taken, &whole);
    size_t again = unchunk(bytes, n, step, other, room, &taken_divided, &divided);
    promise(written == again && memcmp(out, other, written) == 0 && taken == taken_divided);
    promise(whole.whole == divided.whole && !whole.problem == !divided.problem);
    free(out);
    free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    size_t n = size - 1;
    char *bytes = malloc(n);
    promise(bytes);
    memcpy(bytes, data + 1, n);
    try_head(bytes, n);
    try_chunks(bytes, n, 1 + data[0] % 16u, data[0] * 4u);
    free(bytes);
    return 0;
}
