/* The head of a request: see kgpt/http.h. What two readers could take differently is refused: a line feed without a
 * carriage return, a line that goes on in the next one, two lengths, a length beside chunks. */
#include "kgpt/http.h"

#include "bytes.h"
#include "fields.h"

#include "kgpt/mem.h"

#define STATUS_URI_TOO_LONG 414u
#define STATUS_NOT_IMPLEMENTED 501u
#define STATUS_VERSION 505u

static int32_t escape_digit(char c)
{
    c = kg_http_small(c);
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t kg_http_unescape(struct kg_text text, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n && n < size; i++) {
        int32_t high = text.n - i > 2 && text.data[i] == '%' ? escape_digit(text.data[i + 1]) : -1;
        int32_t low = high >= 0 ? escape_digit(text.data[i + 2]) : -1;
        out[n++] = low >= 0 ? (char)(high * 16 + low) : text.data[i];
        i += low >= 0 ? 2 : 0;
    }
    return n;
}

/* METHOD /path?query HTTP/1.x */
static uint32_t read_request_line(struct kg_http_head *head, struct kg_text line, const char **problem)
{
    size_t method = kg_http_find(line, 0, ' '), target = kg_http_find(line, method + 1, ' ');
    if (method == 0 || method >= line.n || target >= line.n) {
        return kg_http_refuse(problem, KG_HTTP_BAD, "the first line is not METHOD /PATH HTTP/1.1");
    }
    for (size_t i = 0; i < method; i++) {
        if (!kg_http_is_token(line.data[i])) {
            return kg_http_refuse(problem, KG_HTTP_BAD, "the method holds a character that is not possible");
        }
    }
    for (size_t i = method + 1; i < target; i++) {
        if (line.data[i] <= ' ' || line.data[i] >= 0x7F) {
            return kg_http_refuse(problem, KG_HTTP_BAD, "the path holds a character that is not possible");
        }
    }
    struct kg_text uri = kg_http_part(line, method + 1, target), version = kg_http_part(line, target + 1, line.n);
    if (version.n != 8 || memcmp(version.data, "HTTP/", 5) != 0 || version.data[6] != '.') {
        return kg_http_refuse(problem, KG_HTTP_BAD, "the first line is not METHOD /PATH HTTP/1.1");
    }
    if (version.data[5] != '1' || (version.data[7] != '0' && version.data[7] != '1')) {
        return kg_http_refuse(problem, STATUS_VERSION, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    }
    bool star = uri.n == 1 && uri.data[0] == '*' && kg_http_same(kg_http_part(line, 0, method), "options");
    if (uri.n == 0 || (uri.data[0] != '/' && !star)) {
        return kg_http_refuse(problem, KG_HTTP_BAD, "the path does not begin with a slash");
    }
    size_t question = kg_http_find(uri, 0, '?');
    head->method = kg_http_part(line, 0, method);
    head->path = kg_http_part(uri, 0, question);
    head->query = kg_http_part(uri, question < uri.n ? question + 1 : question, uri.n);
    head->minor = (uint32_t)(version.data[7] - '0');
    return KG_HTTP_WHOLE;
}

/* How long the body is, and whether the connection goes on. */
static uint32_t read_framing(struct kg_http_head *head, const char **problem)
{
    uint32_t lengths = kg_http_count(head, "content-length"), codings = kg_http_count(head, "transfer-encoding");
    uint32_t hosts = kg_http_count(head, "host");
    if (hosts > 1 || (hosts == 0 && head->minor == 1)) {
        return kg_http_refuse(problem, KG_HTTP_BAD, "the head needs one field Host");
    }
    if (lengths > 1 || codings > 1 || (lengths && codings) || (codings && head->minor == 0)) {
        return kg_http_refuse(problem, KG_HTTP_BAD, "the length of the body is not clear");
    }
    if (lengths && !kg_http_number(kg_http_field(head, "content-length"), &head->content_size)) {
        return kg_http_refuse(problem, KG_HTTP_BAD, "Content-Length is not a number");
    }
    head->chunked = codings > 0;
    if (codings && !kg_http_same(kg_http_field(head, "transfer-encoding"), "chunked")) {
        return kg_http_refuse(problem, STATUS_NOT_IMPLEMENTED, "the only transfer coding known here is chunked");
    }
    head->keeps = !kg_http_says(head, "connection", "close") &&
                  (head->minor == 1 || kg_http_says(head, "connection", "keep-alive"));
    head->expects = kg_http_same(kg_http_field(head, "expect"), "100-continue") && head->minor == 1;
    return KG_HTTP_WHOLE;
}

uint32_t kg_http_read_head(struct kg_http_head *head, const char *bytes, size_t n, const char **problem)
{
    struct kg_text text = {bytes, n < KG_HTTP_HEAD_MAX ? n : KG_HTTP_HEAD_MAX}, line;
    size_t at = 0;
    uint32_t status;
    head->n_fields = 0;
    head->content_size = 0;
    head->method.data = NULL;
    *problem = NULL;
    if (n >= 2 && bytes[0] == '\r' && bytes[1] == '\n') {
        at = 2; /* one empty line before a request is allowed */
    }
    while (kg_http_line(text, &at, &line, problem)) {
        if (line.n == 0 && head->method.data) {
            head->n = at;
            return read_framing(head, problem);
        }
        status = head->method.data ? kg_http_add_field(head, line, problem) : read_request_line(head, line, problem);
        if (status != KG_HTTP_WHOLE) {
            return status;
        }
    }
    if (*problem) {
        return KG_HTTP_BAD;
    }
    if (text.n == KG_HTTP_HEAD_MAX) {
        return head->method.data ? kg_http_refuse(problem, KG_HTTP_HEAD_TOO_LONG, "the head is too long")
                                 : kg_http_refuse(problem, STATUS_URI_TOO_LONG, "the first line is too long");
    }
    return 0;
}
