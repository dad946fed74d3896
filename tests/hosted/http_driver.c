/* Reads requests of HTTP, for a comparison with another reader. */
#include "kgpt/format.h"
#include "kgpt/http.h"

/* What a head says, as lines; texts as hexadecimal digits. Returns its status. */
static void say_hex(char *out, size_t room, size_t *at, const char *name, struct kg_text text)
{
    *at += kg_format(out + *at, room - *at, "%s ", name);
    for (size_t i = 0; i < text.n; i++) {
        *at += kg_format(out + *at, room - *at, "%02x", (unsigned char)text.data[i]);
    }
    *at += kg_format(out + *at, room - *at, "\n");
}

uint32_t driver_head(const char *bytes, size_t n, char *out, size_t room)
{
    struct kg_http_head head;
    const char *problem;
    size_t at = 0;
    uint32_t status = kg_http_read_head(&head, bytes, n, &problem);
    out[0] = '\0';
    if (status != KG_HTTP_WHOLE) {
        kg_format(out, room, "%s", problem ? problem : "");
        return status;
    }
    say_hex(out, room, &at, "method", head.method);
    say_hex(out, room, &at, "path", head.path);
    say_hex(out, room, &at, "query", head.query);
    at += kg_format(out + at, room - at, "minor %u\nn %zu\nsize %lu\nchunked %d\nkeeps %d\n", head.minor, head.n,
                    (unsigned long)head.content_size, head.chunked, head.keeps);
    for (uint32_t i = 0; i < head.n_fields; i++) {
        say_hex(out, room, &at, "name", head.fields[i].name);
        say_hex(out, room, &at, "value", head.fields[i].value);
    }
    return status;
}

/* Decodes a chunked body in pieces of `step` bytes: 0 incomplete, 1 complete, 2 wrong. */
int driver_unchunk(const char *bytes, size_t n, size_t step, char *out, size_t room, size_t *written, size_t *taken)
{
    struct kg_http_chunked chunked = {0};
    size_t got;
    *written = *taken = 0;
    while (*taken < n && !chunked.whole && !chunked.problem) {
        size_t part = n - *taken < step ? n - *taken : step;
        *taken += kg_http_unchunk(&chunked, bytes + *taken, part, out + *written, room - *written, &got);
        *written += got;
    }
    return chunked.problem ? 2 : chunked.whole;
}
