/* The head of a response: see kgpt/http_get.h. */
#include "bytes.h"
#include "fields.h"

#include "kgpt/http_get.h"
#include "kgpt/mem.h"

#define BYTES "bytes "

/* HTTP/1.x 200 Reason */
static uint32_t read_status_line(struct kg_http_response *response, struct kg_text line, const char **problem)
{
    const char *c = line.data;
    if (line.n < 12 || memcmp(c, "HTTP/1.", 7) != 0 || (c[7] != '0' && c[7] != '1') || c[8] != ' ' ||
        (line.n > 12 && c[12] != ' ')) {
        return kg_http_refuse(problem, KG_HTTP_BAD, "this is no answer of HTTP/1.1");
    }
    for (size_t i = 9; i < line.n; i++) {
        if (i < 12 ? c[i] < '0' || c[i] > '9' : !kg_http_is_text(c[i])) {
            return kg_http_refuse(problem, KG_HTTP_BAD, "the status of the answer is no number");
        }
    }
    response->status = (uint32_t)((c[9] - '0') * 100 + (c[10] - '0') * 10 + (c[11] - '0'));
    response->head.minor = (uint32_t)(c[7] - '0');
    return response->status >= 100 ? KG_HTTP_WHOLE
                                   : kg_http_refuse(problem, KG_HTTP_BAD, "the status of the answer is no number");
}

/* bytes FIRST-LAST/TOTAL, where the total may be a star. Others leave has_range false. */
static void read_content_range(struct kg_http_response *response)
{
    struct kg_text text = kg_http_field(&response->head, "content-range");
    size_t from = sizeof BYTES - 1, dash = kg_http_find(text, 0, '-'), slash = kg_http_find(text, 0, '/');
    if (text.n <= from || !kg_http_same(kg_http_part(text, 0, from), BYTES) || dash < from || slash <= dash ||
        slash >= text.n) {
        return;
    }
    struct kg_text total = kg_http_part(text, slash + 1, text.n);
    bool open = total.n == 1 && total.data[0] == '*';
    response->total = 0;
    response->has_range = kg_http_number(kg_http_part(text, from, dash), &response->first) &&
                          kg_http_number(kg_http_part(text, dash + 1, slash), &response->last) &&
                          (open || kg_http_number(total, &response->total)) && response->first <= response->last &&
                          (open || response->last < response->total);
}

static uint32_t read_response_framing(struct kg_http_response *response, const char **problem)
{
    struct kg_http_head *head = &response->head;
    uint32_t lengths = kg_http_count(head, "content-length"), codings = kg_http_count(head, "transfer-encoding");
    if (lengths > 1 || (lengths && codings) || kg_http_count(head, "content-range") > 1) {
        return kg_http_refuse(problem, KG_HTTP_BAD, "the length of the answer is not clear");
    }
    if (lengths && !kg_http_number(kg_http_field(head, "content-length"), &head->content_size)) {
        return kg_http_refuse(problem, KG_HTTP_BAD, "Content-Length is not a number");
    }
    response->has_size = lengths > 0;
    head->chunked = codings > 0;
    read_content_range(response);
    return KG_HTTP_WHOLE;
}

uint32_t kg_http_read_response(struct kg_http_response *response, const char *bytes, size_t n, const char **problem)
{
    struct kg_text text = {bytes, n < KG_HTTP_HEAD_MAX ? n : KG_HTTP_HEAD_MAX}, line;
    size_t at = 0;
    response->status = 0;
    response->has_range = false;
    response->head.n_fields = 0;
    response->head.content_size = 0;
    *problem = NULL;
    while (kg_http_line(text, &at, &line, problem)) {
        if (line.n == 0 && response->status) {
            response->head.n = at;
            return read_response_framing(response, problem);
        }
        uint32_t status = response->status ? kg_http_add_field(&response->head, line, problem)
                                           : read_status_line(response, line, problem);
        if (status != KG_HTTP_WHOLE) {
            return status;
        }
    }
    if (*problem) {
        return KG_HTTP_BAD;
    }
    return text.n < KG_HTTP_HEAD_MAX ? 0 : kg_http_refuse(problem, KG_HTTP_HEAD_TOO_LONG, "the head is too long");
}
