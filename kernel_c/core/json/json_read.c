/* Reader for JSON: see kgpt/json_read.h. */
#include "kgpt/json_read.h"

#include "kgpt/mem.h"
#include "kgpt/utf8.h"

/* What may stand next. */
enum expected {
    WANT_VALUE,
    WANT_VALUE_OR_END, /* behind "[" */
    WANT_KEY,
    WANT_KEY_OR_END, /* behind "{" */
    WANT_COLON,
    WANT_COMMA_OR_END, /* behind a value in a list or an object */
    WANT_NOTHING,      /* behind the whole text */
};

struct reading {
    struct kg_json_tree *tree;
    char *text;
    size_t n, at;
    enum expected expected;
    uint32_t open[KG_JSON_DEPTH]; /* (depth): indexes of lists and objects that are not closed */
    uint32_t depth;
};

static bool refuse_json(struct reading *r, const char *problem)
{
    r->tree->problem = problem;
    r->tree->problem_at = r->at;
    return false;
}

static void skip_json_space(struct reading *r)
{
    while (r->at < r->n &&
           (r->text[r->at] == ' ' || r->text[r->at] == '\n' || r->text[r->at] == '\r' || r->text[r->at] == '\t')) {
        r->at++;
    }
}

static bool in_object(const struct reading *r)
{
    return r->depth && r->tree->values[r->open[r->depth - 1]].kind == KG_JSON_OBJECT;
}

static bool add_json_value(struct reading *r, enum kg_json_kind kind, size_t at, size_t n)
{
    struct kg_json_tree *tree = r->tree;
    if (tree->n == tree->room) {
        return refuse_json(r, "it has too many values");
    }
    tree->values[tree->n] = (struct kg_json_value){(uint32_t)at, (uint32_t)n, tree->n + 1, kind};
    tree->n++;
    return true;
}

/* Four hexadecimal digits at `at`; -1: they are not there. */
static int32_t hex_unit(const struct reading *r, size_t at)
{
    int32_t unit = 0;
    if (r->n - at < 4) {
        return -1;
    }
    for (size_t i = at; i < at + 4; i++) {
        char c = r->text[i];
        int32_t digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
        if (digit < 0) {
            return -1;
        }
        unit = unit * 16 + digit;
    }
    return unit;
}

/* \uXXXX, or two of them for a character above U+FFFF. r->at stands behind the "u". Appends at *to. */
static bool decode_unicode_escape(struct reading *r, size_t *to)
{
    int32_t unit = hex_unit(r, r->at), low;
    char bytes[4];
    if (unit < 0) {
        return refuse_json(r, "\\u needs four hexadecimal digits");
    }
    r->at += 4;
    uint32_t code = (uint32_t)unit;
    if (code >= 0xD800 && code < 0xE000) {
        bool pair = code < 0xDC00 && r->n - r->at >= 6 && r->text[r->at] == '\\' && r->text[r->at + 1] == 'u';
        low = pair ? hex_unit(r, r->at + 2) : -1;
        if (low < 0xDC00 || low > 0xDFFF) {
            return refuse_json(r, "a surrogate stands alone");
        }
        r->at += 6;
        code = 0x10000 + ((code - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
    }
    size_t n = kg_utf8_encode(code, bytes); /* at most as long as its escape */
    memcpy(r->text + *to, bytes, n);
    *to += n;
    return true;
}

/* An escape. r->at stands at its backslash. */
static bool decode_escape(struct reading *r, size_t *to)
{
    static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char c = r->at + 1 < r->n ? r->text[r->at + 1] : '\0';
    if (c == 'u') {
        r->at += 2;
        return decode_unicode_escape(r, to);
    }
    for (size_t i = 0; i < sizeof names - 1; i++) {
        if (c == names[i]) {
            r->text[(*to)++] = meant[i];
            r->at += 2;
            return true;
        }
    }
    return refuse_json(r, "a backslash begins no escape");
}

/* A string, decoded in place. r->at stands behind its first quote, and then behind its last. */
static bool read_json_string(struct reading *r)
{
    size_t start = r->at, to = r->at;
    while (r->at < r->n && r->text[r->at] != '"') {
        unsigned char c = (unsigned char)r->text[r->at];
        if (c == '\\') {
            if (!decode_escape(r, &to)) {
                return false;
            }
            continue;
        }
        size_t length = kg_utf8_length(r->text + r->at, r->n - r->at);
        if (c < 0x20 || !length) {
            return refuse_json(r, c < 0x20 ? "a string holds a control character" : "it is not UTF-8");
        }
        memmove(r->text + to, r->text + r->at, length);
        to += length;
        r->at += length;
    }
    if (r->at == r->n) {
        return refuse_json(r, "a string has no end");
    }
    r->at++;
    return add_json_value(r, KG_JSON_STRING, start, to - start);
}

static size_t skip_digits(const struct reading *r, size_t at)
{
    while (at < r->n && r->text[at] >= '0' && r->text[at] <= '9') {
        at++;
    }
    return at;
}

static bool read_json_number(struct reading *r)
{
    size_t start = r->at, at = start + (r->text[start] == '-'), digits = at;
    at = skip_digits(r, at);
    bool good = at > digits && (at == digits + 1 || r->text[digits] != '0');
    if (good && at < r->n && r->text[at] == '.') {
        digits = at + 1;
        at = skip_digits(r, digits);
        good = at > digits;
    }
    if (good && at < r->n && (r->text[at] == 'e' || r->text[at] == 'E')) {
        digits = at + 1 + (at + 1 < r->n && (r->text[at + 1] == '+' || r->text[at + 1] == '-'));
        at = skip_digits(r, digits);
        good = at > digits;
    }
    if (!good) {
        return refuse_json(r, "it is no value of JSON");
    }
    r->at = at;
    return add_json_value(r, KG_JSON_NUMBER, start, at - start);
}

/* null, false, true. */
static bool read_json_word(struct reading *r)
{
    static const struct {
        const char *word;
        size_t n;
        enum kg_json_kind kind;
    } words[] = {{"null", 4, KG_JSON_NULL}, {"false", 5, KG_JSON_FALSE}, {"true", 4, KG_JSON_TRUE}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (r->n - r->at >= words[i].n && memcmp(r->text + r->at, words[i].word, words[i].n) == 0) {
            r->at += words[i].n;
            return add_json_value(r, words[i].kind, r->at - words[i].n, words[i].n);
        }
    }
    return refuse_json(r, "it is no value of JSON");
}

static bool open_json(struct reading *r, enum kg_json_kind kind)
{
    if (r->depth == KG_JSON_DEPTH) {
        return refuse_json(r, "it is nested too deeply");
    }
    if (!add_json_value(r, kind, r->at, 0)) {
        return false;
    }
    r->open[r->depth++] = r->tree->n - 1;
    r->at++;
    r->expected = kind == KG_JSON_OBJECT ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
    return true;
}

static void value_has_ended(struct reading *r)
{
    r->expected = r->depth ? WANT_COMMA_OR_END : WANT_NOTHING;
}

static bool close_json(struct reading *r)
{
    struct kg_json_value *value = &r->tree->values[r->open[--r->depth]];
    r->at++;
    value->n = (uint32_t)r->at - value->at;
    value->next = r->tree->n;
    value_has_ended(r);
    return true;
}

static bool read_json_value(struct reading *r)
{
    char c = r->text[r->at];
    bool good;
    if (c == '[' || c == '{') {
        return open_json(r, c == '[' ? KG_JSON_LIST : KG_JSON_OBJECT);
    }
    if (c == '"') {
        r->at++;
        good = read_json_string(r);
    } else {
        good = c == '-' || (c >= '0' && c <= '9') ? read_json_number(r) : read_json_word(r);
    }
    if (good) {
        value_has_ended(r);
    }
    return good;
}

/* One token, which is not the end of the text. */
static bool read_json_token(struct reading *r)
{
    char c = r->text[r->at], end = in_object(r) ? '}' : ']';
    switch (r->expected) {
    case WANT_VALUE_OR_END:
        if (c == ']') {
            return close_json(r);
        }
        return read_json_value(r);
    case WANT_VALUE: return read_json_value(r);
    case WANT_KEY_OR_END:
        if (c == '}') {
            return close_json(r);
        }
        /* fall through */
    case WANT_KEY:
        if (c != '"') {
            return refuse_json(r, "a key in quotes is missing");
        }
        r->at++;
        r->expected = WANT_COLON;
        return read_json_string(r);
    case WANT_COLON:
        if (c != ':') {
            return refuse_json(r, "a colon is missing");
        }
        r->at++;
        r->expected = WANT_VALUE;
        return true;
    case WANT_COMMA_OR_END:
        if (c == end) {
            return close_json(r);
        }
        if (c != ',') {
            return refuse_json(r, "a comma is missing");
        }
        r->at++;
        r->expected = in_object(r) ? WANT_KEY : WANT_VALUE;
        return true;
    case WANT_NOTHING: break;
    }
    return refuse_json(r, "text follows its end");
}

bool kg_json_read(struct kg_json_tree *tree, char *text, size_t n)
{
    struct reading r = {.tree = tree, .text = text, .n = n, .expected = WANT_VALUE};
    tree->text = text;
    tree->n = 0;
    tree->problem = NULL;
    if (n > UINT32_MAX - 1) {
        return refuse_json(&r, "it is too long");
    }
    for (skip_json_space(&r); r.at < n; skip_json_space(&r)) {
        if (!read_json_token(&r)) {
            return false;
        }
    }
    return r.expected == WANT_NOTHING || refuse_json(&r, "it ends too early");
}
