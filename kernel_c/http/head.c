/* The head of a request: see kgpt/http.h. What two readers could take differently is refused: a line feed without a
 * carriage return, a line that goes on in the next one, two lengths, a length beside chunks. */
#include "kgpt/http.h"

#include "bytes.h"

#include "kgpt/mem.h"

#define STATUS_BAD 400u
#define STATUS_URI_TOO_LONG 414u
#define STATUS_HEAD_TOO_LONG 431u
#define STATUS_NOT_IMPLEMENTED 501u
#define STATUS_VERSION 505u

static char small_letter(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool kg_http_same(struct kg_text a, const char *b)
{
    size_t i = 0;
    while (i < a.n && b[i] && small_letter(a.data[i]) == b[i]) {
        i++;
    }
    return i == a.n && !b[i];
}

struct kg_text kg_http_field(const struct kg_http_head *head, const char *name)
{
    for (uint32_t i = 0; i < head->n_fields; i++) {
        if (kg_http_same(head->fields[i].name, name)) {
            return head->fields[i].value;
        }
    }
    return (struct kg_text){NULL, 0};
}

static int32_t escape_digit(char c)
{
    c = small_letter(c);
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

bool kg_http_is_token(char c)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    if ((c >= '0' && c <= '9') || (small_letter(c) >= 'a' && small_letter(c) <= 'z')) {
        return true;
    }
    for (size_t i = 0; i < sizeof others - 1; i++) {
        if (c == others[i]) {
            return true;
        }
    }
    return false;
}

static struct kg_text head_part(struct kg_text text, size_t from, size_t to)
{
    return (struct kg_text){text.data + from, to - from};
}

static size_t find_byte(struct kg_text text, size_t from, char c)
{
    while (from < text.n && text.data[from] != c) {
        from++;
    }
    return from;
}

static uint32_t refuse_head(const char **problem, uint32_t status, const char *why)
{
    *problem = why;
    return status;
}

/* METHOD /path?query HTTP/1.x */
static uint32_t read_first_line(struct kg_http_head *head, struct kg_text line, const char **problem)
{
    size_t method = find_byte(line, 0, ' '), target = find_byte(line, method + 1, ' ');
    if (method == 0 || method >= line.n || target >= line.n) {
        return refuse_head(problem, STATUS_BAD, "the first line is not METHOD /PATH HTTP/1.1");
    }
    for (size_t i = 0; i < method; i++) {
        if (!kg_http_is_token(line.data[i])) {
            return refuse_head(problem, STATUS_BAD, "the method holds a character that is not possible");
        }
    }
    for (size_t i = method + 1; i < target; i++) {
        if (line.data[i] <= ' ' || line.data[i] >= 0x7F) {
            return refuse_head(problem, STATUS_BAD, "the path holds a character that is not possible");
        }
    }
    struct kg_text uri = head_part(line, method + 1, target), version = head_part(line, target + 1, line.n);
    if (version.n != 8 || memcmp(version.data, "HTTP/", 5) != 0 || version.data[6] != '.') {
        return refuse_head(problem, STATUS_BAD, "the first line is not METHOD /PATH HTTP/1.1");
    }
    if (version.data[5] != '1' || (version.data[7] != '0' && version.data[7] != '1')) {
        return refuse_head(problem, STATUS_VERSION, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    }
    bool star = uri.n == 1 && uri.data[0] == '*' && kg_http_same(head_part(line, 0, method), "options");
    if (uri.n == 0 || (uri.data[0] != '/' && !star)) {
        return refuse_head(problem, STATUS_BAD, "the path does not begin with a slash");
    }
    size_t question = find_byte(uri, 0, '?');
    head->method = head_part(line, 0, method);
    head->path = head_part(uri, 0, question);
    head->query = head_part(uri, question < uri.n ? question + 1 : question, uri.n);
    head->minor = (uint32_t)(version.data[7] - '0');
    return KG_HTTP_WHOLE;
}

static uint32_t read_field(struct kg_http_head *head, struct kg_text line, const char **problem)
{
    size_t colon = find_byte(line, 0, ':'), from = colon + 1, to = line.n;
    if (colon == 0 || colon == line.n) {
        return refuse_head(problem, STATUS_BAD, "a line of the head is not NAME: VALUE");
    }
    for (size_t i = 0; i < colon; i++) {
        if (!kg_http_is_token(line.data[i])) {
            return refuse_head(problem, STATUS_BAD, "the name of a field holds a character that is not possible");
        }
    }
    for (size_t i = from; i < to; i++) {
        if (!kg_http_is_text(line.data[i])) {
            return refuse_head(problem, STATUS_BAD, "the value of a field holds a control character");
        }
    }
    if (head->n_fields == KG_HTTP_FIELDS) {
        return refuse_head(problem, STATUS_HEAD_TOO_LONG, "the head has too many fields");
    }
    while (from < to && (line.data[from] == ' ' || line.data[from] == '\t')) {
        from++;
    }
    while (to > from && (line.data[to - 1] == ' ' || line.data[to - 1] == '\t')) {
        to--;
    }
    head->fields[head->n_fields++] = (struct kg_http_field){head_part(line, 0, colon), head_part(line, from, to)};
    return KG_HTTP_WHOLE;
}

/* The line that starts at *at, without its end; *at moves behind that. False: it is not complete, or its end is not
 * CR LF: then *problem says so. */
static bool next_head_line(struct kg_text bytes, size_t *at, struct kg_text *line, const char **problem)
{
    size_t end = find_byte(bytes, *at, '\n');
    if (end == bytes.n) {
        return false;
    }
    if (end == *at || bytes.data[end - 1] != '\r') {
        *problem = "a line ends without a carriage return";
        return false;
    }
    *line = head_part(bytes, *at, end - 1);
    *at = end + 1;
    return true;
}

static uint32_t count_fields(const struct kg_http_head *head, const char *name)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < head->n_fields; i++) {
        n += kg_http_same(head->fields[i].name, name);
    }
    return n;
}

static bool parse_length(struct kg_text text, uint64_t *length)
{
    *length = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(*length, (uint64_t)10, length) ||
            __builtin_add_overflow(*length, (uint64_t)(text.data[i] - '0'), length)) {
            return false;
        }
    }
    return text.n > 0;
}

/* True if the list of words separated by commas has this word. */
static bool lists_word(struct kg_text list, const char *word)
{
    for (size_t from = 0, to; from <= list.n; from = to + 1) {
        to = find_byte(list, from, ',');
        struct kg_text item = head_part(list, from, to);
        while (item.n && (item.data[0] == ' ' || item.data[0] == '\t')) {
            item = head_part(item, 1, item.n);
        }
        while (item.n && (item.data[item.n - 1] == ' ' || item.data[item.n - 1] == '\t')) {
            item.n--;
        }
        if (kg_http_same(item, word)) {
            return true;
        }
    }
    return false;
}

/* True if one of the fields of this name lists the word. */
static bool says_word(const struct kg_http_head *head, const char *name, const char *word)
{
    for (uint32_t i = 0; i < head->n_fields; i++) {
        if (kg_http_same(head->fields[i].name, name) && lists_word(head->fields[i].value, word)) {
            return true;
        }
    }
    return false;
}

/* How long the body is, and whether the connection goes on. */
static uint32_t read_framing(struct kg_http_head *head, const char **problem)
{
    uint32_t lengths = count_fields(head, "content-length"), codings = count_fields(head, "transfer-encoding");
    uint32_t hosts = count_fields(head, "host");
    if (hosts > 1 || (hosts == 0 && head->minor == 1)) {
        return refuse_head(problem, STATUS_BAD, "the head needs one field Host");
    }
    if (lengths > 1 || codings > 1 || (lengths && codings) || (codings && head->minor == 0)) {
        return refuse_head(problem, STATUS_BAD, "the length of the body is not clear");
    }
    if (lengths && !parse_length(kg_http_field(head, "content-length"), &head->content_size)) {
        return refuse_head(problem, STATUS_BAD, "Content-Length is not a number");
    }
    head->chunked = codings > 0;
    if (codings && !kg_http_same(kg_http_field(head, "transfer-encoding"), "chunked")) {
        return refuse_head(problem, STATUS_NOT_IMPLEMENTED, "the only transfer coding known here is chunked");
    }
    head->keeps =
        !says_word(head, "connection", "close") && (head->minor == 1 || says_word(head, "connection", "keep-alive"));
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
    while (next_head_line(text, &at, &line, problem)) {
        if (line.n == 0 && head->method.data) {
            head->n = at;
            return read_framing(head, problem);
        }
        status = head->method.data ? read_field(head, line, problem) : read_first_line(head, line, problem);
        if (status != KG_HTTP_WHOLE) {
            return status;
        }
    }
    if (*problem) {
        return STATUS_BAD;
    }
    if (text.n == KG_HTTP_HEAD_MAX) {
        return head->method.data ? refuse_head(problem, STATUS_HEAD_TOO_LONG, "the head is too long")
                                 : refuse_head(problem, STATUS_URI_TOO_LONG, "the first line is too long");
    }
    return 0;
}
