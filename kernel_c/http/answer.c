/* Answers: see kgpt/http.h. */
#include "kgpt/http.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"

void kg_http_put(struct kg_http_out *out, const char *bytes, size_t n)
{
    if (n > out->size - out->n || out->full) {
        out->full = true;
        return;
    }
    memcpy(out->data + out->n, bytes, n);
    out->n += n;
}

void kg_http_say(struct kg_http_out *out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = out->size - out->n, n = kg_vformat(out->data + out->n, room, format, arguments);
    va_end(arguments);
    if (n >= room || out->full) { /* the NUL behind the text needs room too */
        out->full = true;
    } else {
        out->n += n;
    }
}

const char *kg_http_reason(uint32_t status)
{
    static const struct {
        uint32_t status;
        const char *reason;
    } reasons[] = {
        {100, "Continue"},
        {200, "OK"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "Unknown";
}

/* The size is written when it is known, in five digits: leading zeros are allowed. */
size_t kg_http_chunk_begin(struct kg_http_out *out)
{
    kg_http_put(out, "00000\r\n", 7);
    return out->n;
}

void kg_http_chunk_end(struct kg_http_out *out, size_t mark)
{
    size_t n = out->n - mark;
    if (out->full) {
        return;
    }
    if (n == 0) { /* an empty chunk would end the body */
        out->n -= 7;
        return;
    }
    kg_http_put(out, "\r\n", 2);
    for (size_t i = 0; i < 5 && !out->full; i++) {
        out->data[mark - 3 - i] = "0123456789abcdef"[(n >> (4 * i)) & 15];
    }
}

void kg_http_chunk_last(struct kg_http_out *out)
{
    kg_http_put(out, "0\r\n\r\n", 5);
}
