/* Lines and fields of heads: see fields.h. */
#include "fields.h"

#include "bytes.h"

char kg_http_small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool kg_http_same(struct kg_text a, const char *b)
{
    size_t i = 0;
    while (i < a.n && b[i] && kg_http_small(a.data[i]) == b[i]) {
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

bool kg_http_is_token(char c)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    if ((c >= '0' && c <= '9') || (kg_http_small(c) >= 'a' && kg_http_small(c) <= 'z')) {
        return true;
    }
    for (size_t i = 0; i < sizeof others - 1; i++) {
        if (c == others[i]) {
            return true;
        }
    }
    return false;
}

struct kg_text kg_http_part(struct kg_text text, size_t from, size_t to)
{
    return (struct kg_text){text.data + from, to - from};
}

size_t kg_http_find(struct kg_text text, size_t from, char c)
{
    while (from < text.n && text.data[from] != c) {
        from++;
    }
    return from;
}

uint32_t kg_http_refuse(const char **problem, uint32_t status, const char *why)
{
    *problem = why;
    return status;
}

uint32_t kg_http_add_field(struct kg_http_head *head, struct kg_text line, const char **problem)
{
    size_t colon = kg_http_find(line, 0, ':'), from = colon + 1, to = line.n;
    if (colon == 0 || colon == line.n) {
        return kg_http_refuse(problem, KG_HTTP_BAD, "a line of the head is not NAME: VALUE");
    }
    for (size_t i = 0; i < colon; i++) {
        if (!kg_http_is_token(line.data[i])) {
            return kg_http_refuse(problem, KG_HTTP_BAD, "the name of a field holds a character that is not possible");
        }
    }
    for (size_t i = from; i < to; i++) {
        if (!kg_http_is_text(line.data[i])) {
            return kg_http_refuse(problem, KG_HTTP_BAD, "the value of a field holds a control character");
        }
    }
    if (head->n_fields == KG_HTTP_FIELDS) {
        return kg_http_refuse(problem, KG_HTTP_HEAD_TOO_LONG, "the head has too many fields");
    }
    while (from < to && (line.data[from] == ' ' || line.data[from] == '\t')) {
        from++;
    }
    while (to > from && (line.data[to - 1] == ' ' || line.data[to - 1] == '\t')) {
        to--;
    }
    head->fields[head->n_fields++] = (struct kg_http_field){kg_http_part(line, 0, colon), kg_http_part(line, from, to)};
    return KG_HTTP_WHOLE;
}

bool kg_http_line(struct kg_text bytes, size_t *at, struct kg_text *line, const char **problem)
{
    size_t end = kg_http_find(bytes, *at, '\n');
    if (end == bytes.n) {
        return false;
    }
    if (end == *at || bytes.data[end - 1] != '\r') {
        *problem = "a line ends without a carriage return";
        return false;
    }
    *line = kg_http_part(bytes, *at, end - 1);
    *at = end + 1;
    return true;
}

uint32_t kg_http_count(const struct kg_http_head *head, const char *name)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < head->n_fields; i++) {
        n += kg_http_same(head->fields[i].name, name);
    }
    return n;
}

bool kg_http_number(struct kg_text text, uint64_t *length)
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
        to = kg_http_find(list, from, ',');
        struct kg_text item = kg_http_part(list, from, to);
        while (item.n && (item.data[0] == ' ' || item.data[0] == '\t')) {
            item = kg_http_part(item, 1, item.n);
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

bool kg_http_says(const struct kg_http_head *head, const char *name, const char *word)
{
    for (uint32_t i = 0; i < head->n_fields; i++) {
        if (kg_http_same(head->fields[i].name, name) && lists_word(head->fields[i].value, word)) {
            return true;
        }
    }
    return false;
}
