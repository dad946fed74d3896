/* A bounded part of the regular expressions of JSON Schema: see docs/constrained.md. The expression is read as both
 * ECMAScript and Python would read it: where they differ, only what both accept is let through. It is about what a
 * string says, so a character may need an escape in the JSON. */
#include "schema.h"

#include "kgpt/utf8.h"

#define MOST_RANGES 128u /* of one class */
#define MOST_COPIES 1000u
#define PATTERN_DEPTH 16u
#define LAST_CODE 0x10FFFFu

struct pattern {
    struct kg_schema *s;
    struct kg_text text;
    size_t at;
    uint32_t depth;
};

/* Ranges of characters: those that are surely meant, and those that may be (\w and non-ASCII letters). */
struct chars {
    struct kg_code_range sure[MOST_RANGES], maybe[MOST_RANGES];
    uint32_t n_sure, n_maybe;
};

static uint32_t refuse_pattern(struct pattern *p, const char *what)
{
    return kg_schema_refuse(p->s, "\"pattern\", byte %zu: %s", p->at + 1, what);
}

static bool at_end(const struct pattern *p)
{
    return p->at >= p->text.n || p->s->status != KG_OK;
}

static char pattern_char(const struct pattern *p)
{
    return p->at < p->text.n ? p->text.data[p->at] : '\0';
}

static uint32_t take_code(struct pattern *p)
{
    size_t n = kg_utf8_length(p->text.data + p->at, p->text.n - p->at);
    uint32_t code = n ? kg_utf8_code(p->text.data + p->at, n) : 0;
    p->at += n ? n : 1;
    return code;
}

/* Characters as JSON writes them in a string. */
static uint32_t json_chars(struct pattern *p, const struct kg_code_range *ranges, uint32_t n)
{
    static const char names[] = "\b\f\n\r\t\"\\", escapes[] = "bfnrt\"\\";
    struct kg_builder *b = p->s->b;
    struct kg_code_range plain[MOST_RANGES + 4]; /* quotes and backslashes cut two ranges */
    uint32_t n_plain = 0, choice = kg_build_list(b, KG_EXPR_CHOICE);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t from = ranges[i].low;
        for (uint32_t code = from; code <= ranges[i].high && code <= '\\'; code++) {
            if (code >= 0x20 && code != '"' && code != '\\') {
                continue;
            }
            if (code > from) {
                plain[n_plain++] = (struct kg_code_range){from, code - 1};
            }
            from = code + 1;
            char escape[7] = {'\\', 'u', '0', '0', (char)('0' + code / 16), "0123456789abcdef"[code % 16], '\0'};
            for (size_t name = 0; name < sizeof names - 1; name++) {
                if ((uint32_t)names[name] == code) {
                    escape[1] = escapes[name];
                    escape[2] = '\0';
                }
            }
            kg_build_append(b, choice, kg_schema_text(p->s, escape));
        }
        if (from <= ranges[i].high) {
            plain[n_plain++] = (struct kg_code_range){from, ranges[i].high};
        }
    }
    kg_build_append(b, choice, kg_build_class(b, plain, kg_ranges_join(plain, n_plain)));
    return choice;
}

static uint32_t json_char(struct pattern *p, uint32_t code)
{
    const struct kg_code_range range = {code, code};
    return json_chars(p, &range, 1);
}

static void add_range(struct pattern *p, struct kg_code_range *ranges, uint32_t *n, uint32_t low, uint32_t high)
{
    if (*n + 1 >= MOST_RANGES) {
        refuse_pattern(p, "the class has too many ranges");
        return;
    }
    ranges[(*n)++] = (struct kg_code_range){low, high};
}

static void add_char(struct pattern *p, struct chars *c, uint32_t low, uint32_t high)
{
    add_range(p, c->sure, &c->n_sure, low, high);
    add_range(p, c->maybe, &c->n_maybe, low, high);
}

/* \d \w \s and their opposites. False: it is none of them. */
static bool add_shorthand(struct pattern *p, struct chars *c, char name)
{
    static const struct kg_code_range digits[] = {{'0', '9'}}, spaces[] = {{'\t', '\r'}, {' ', ' '}},
                                      words[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    struct kg_code_range others[6];
    char kind = (char)(name | 0x20);
    const struct kg_code_range *of = kind == 'd' ? digits : kind == 's' ? spaces : words;
    uint32_t n = kind == 'd' ? 1 : kind == 's' ? 2 : 4, n_others;
    if (kind != 'd' && kind != 's' && kind != 'w') {
        return false;
    }
    if (name == kind) {
        for (uint32_t i = 0; i < n; i++) {
            add_char(p, c, of[i].low, of[i].high);
        }
        add_range(p, c->maybe, &c->n_maybe, 0x80, LAST_CODE);
        if (kind == 's') {
            add_range(p, c->maybe, &c->n_maybe, 0x1C, 0x1F);
        }
        return true;
    }
    n_others = kg_ranges_invert(of, n, others);
    for (uint32_t i = 0; i < n_others; i++) {
        uint32_t low = others[i].low, high = others[i].high;
        add_range(p, c->maybe, &c->n_maybe, low, high);
        high = high > 0x7F ? 0x7F : high; /* surely: of ASCII only, and not the separators that Python calls spaces */
        if (kind == 's' && low < 0x20 && high > 0x1B) {
            high = 0x1B;
        }
        if (low <= high) {
            add_range(p, c->sure, &c->n_sure, low, high);
        }
    }
    return true;
}

static uint32_t take_hex_code(struct pattern *p, uint32_t digits)
{
    uint32_t code = 0;
    for (uint32_t i = 0; i < digits; i++, p->at++) {
        char c = pattern_char(p), lower = (char)(c | 0x20);
        bool digit = c >= '0' && c <= '9';
        if (!digit && !(lower >= 'a' && lower <= 'f')) {
            return refuse_pattern(p, "hexadecimal digits are expected");
        }
        code = code * 16 + (uint32_t)(digit ? c - '0' : lower - 'a' + 10);
    }
    if (code >= 0xD800 && code <= 0xDFFF) {
        return refuse_pattern(p, "a surrogate is no character");
    }
    return code;
}

/* The character of an escape, behind its backslash. */
static uint32_t take_escape(struct pattern *p)
{
    static const char names[] = "nrtfv", codes[] = "\n\r\t\f\v";
    char c = pattern_char(p);
    p->at++;
    for (size_t i = 0; i < sizeof names - 1; i++) {
        if (c == names[i]) {
            return (uint32_t)codes[i];
        }
    }
    if (c == 'x' || c == 'u') {
        return take_hex_code(p, c == 'x' ? 2 : 4);
    }
    bool letter = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (unsigned char)c >= 0x80;
    if (letter || c == '\0') {
        p->at--;
        return refuse_pattern(p, "the escape is not supported");
    }
    return (uint32_t)c;
}

/* A character of a class, or a shorthand; UINT32_MAX: a shorthand was added. */
static uint32_t take_class_item(struct pattern *p, struct chars *c)
{
    if (pattern_char(p) != '\\') {
        return take_code(p);
    }
    p->at++;
    if (add_shorthand(p, c, pattern_char(p))) {
        p->at++;
        return UINT32_MAX;
    }
    if (pattern_char(p) == 'b') { /* in a class it is a backspace */
        p->at++;
        return '\b';
    }
    return take_escape(p);
}

/* Not inlined: its frame is large, and its caller is recursive. */
static __attribute__((noinline)) uint32_t take_pattern_class(struct pattern *p)
{
    struct chars c = {.n_sure = 0};
    struct kg_code_range inverted[MOST_RANGES + 2];
    p->at++;
    bool invert = pattern_char(p) == '^';
    p->at += invert;
    if (pattern_char(p) == ']') {
        return refuse_pattern(p, "an empty class is not supported");
    }
    while (!at_end(p) && pattern_char(p) != ']') {
        uint32_t low = take_class_item(p, &c), high = low;
        if (low == UINT32_MAX) {
            continue;
        }
        if (pattern_char(p) == '-' && p->at + 1 < p->text.n && p->text.data[p->at + 1] != ']') {
            p->at++;
            high = take_class_item(p, &c);
        }
        if (high == UINT32_MAX || high < low) {
            return refuse_pattern(p, "the range ends before it begins");
        }
        add_char(p, &c, low, high);
    }
    if (pattern_char(p) != ']') {
        return refuse_pattern(p, "the class has no closing bracket");
    }
    p->at++;
    if (!invert) {
        return json_chars(p, c.sure, kg_ranges_join(c.sure, c.n_sure));
    }
    uint32_t n = kg_ranges_join(c.maybe, c.n_maybe);
    return json_chars(p, inverted, kg_ranges_invert(c.maybe, n, inverted));
}

static __attribute__((noinline)) uint32_t take_shorthand(struct pattern *p)
{
    struct chars c = {.n_sure = 0};
    (void)add_shorthand(p, &c, pattern_char(p));
    p->at++;
    return json_chars(p, c.sure, kg_ranges_join(c.sure, c.n_sure));
}

static bool is_shorthand(char c)
{
    c |= 0x20;
    return c == 'd' || c == 's' || c == 'w';
}

static uint32_t take_alternatives(struct pattern *p);

static uint32_t take_pattern_group(struct pattern *p)
{
    p->at++;
    if (pattern_char(p) == '?') {
        p->at++;
        if (pattern_char(p) != ':') {
            return refuse_pattern(p, "of groups with (? only (?: is supported");
        }
        p->at++;
    }
    if (p->depth == PATTERN_DEPTH) {
        return refuse_pattern(p, "groups are nested too deeply");
    }
    p->depth++;
    uint32_t expr = take_alternatives(p);
    p->depth--;
    if (pattern_char(p) != ')') {
        return refuse_pattern(p, "the group has no closing parenthesis");
    }
    p->at++;
    return expr;
}

/* `.`: no line ends, as ECMAScript has them. */
static uint32_t any_char(struct pattern *p)
{
    static const struct kg_code_range chars[] = {
        {0, '\n' - 1}, {'\n' + 1, '\r' - 1}, {'\r' + 1, 0x2027}, {0x202A, LAST_CODE}};
    return json_chars(p, chars, 4);
}

static uint32_t take_atom(struct pattern *p)
{
    char c = pattern_char(p);
    switch (c) {
    case '(': return take_pattern_group(p);
    case '[': return take_pattern_class(p);
    case '.': p->at++; return any_char(p);
    case '^':
    case '$': return refuse_pattern(p, "^ and $ are supported at the ends of the whole pattern only");
    case '*':
    case '+':
    case '?':
    case '{':
    case '}':
    case ']': return refuse_pattern(p, "it repeats nothing, or needs a backslash");
    default: break;
    }
    if (c != '\\') {
        return json_char(p, take_code(p));
    }
    p->at++;
    return is_shorthand(pattern_char(p)) ? take_shorthand(p) : json_char(p, take_escape(p));
}

static bool take_pattern_number(struct pattern *p, uint32_t *value)
{
    size_t start = p->at;
    *value = 0;
    while (pattern_char(p) >= '0' && pattern_char(p) <= '9' && *value <= MOST_COPIES) {
        *value = *value * 10 + (uint32_t)(pattern_char(p) - '0');
        p->at++;
    }
    return p->at > start && *value <= MOST_COPIES;
}

static uint32_t take_quantifier(struct pattern *p, uint32_t expr)
{
    uint32_t least = pattern_char(p) == '+', most = pattern_char(p) == '?' ? 1 : KG_ANY_NUMBER;
    if (pattern_char(p) == '{') {
        p->at++;
        bool good = take_pattern_number(p, &least);
        most = least;
        if (good && pattern_char(p) == ',') {
            p->at++;
            most = KG_ANY_NUMBER;
            good = pattern_char(p) == '}' || take_pattern_number(p, &most);
        }
        if (!good || pattern_char(p) != '}' || most < least) {
            return refuse_pattern(p, "{m}, {m,} and {m,n} up to 1000 are supported");
        }
    }
    p->at++;
    p->at += pattern_char(p) == '?'; /* lazy: the same texts */
    return kg_build_repeat(p->s->b, expr, least, most);
}

static bool is_quantifier(char c)
{
    return c == '*' || c == '+' || c == '?' || c == '{';
}

/* Atoms up to a | or a ), or to a $ at the end of an alternative of the whole pattern. */
static uint32_t take_atoms(struct pattern *p)
{
    uint32_t list = kg_build_list(p->s->b, KG_EXPR_SEQUENCE);
    while (!at_end(p) && !p->s->b->full && pattern_char(p) != '|' && pattern_char(p) != ')') {
        bool last = p->at + 1 == p->text.n || p->text.data[p->at + 1] == '|';
        if (pattern_char(p) == '$' && last && p->depth == 0) {
            break;
        }
        uint32_t atom = take_atom(p);
        if (!at_end(p) && is_quantifier(pattern_char(p))) {
            atom = take_quantifier(p, atom);
        }
        kg_build_append(p->s->b, list, atom);
    }
    return list;
}

static uint32_t take_alternatives(struct pattern *p)
{
    uint32_t choice = kg_build_list(p->s->b, KG_EXPR_CHOICE);
    kg_build_append(p->s->b, choice, take_atoms(p));
    while (!at_end(p) && pattern_char(p) == '|') {
        p->at++;
        kg_build_append(p->s->b, choice, take_atoms(p));
    }
    return choice;
}

/* An alternative of the whole pattern: without ^ or $, anything can stand before or behind it. */
static uint32_t take_anchored(struct pattern *p)
{
    struct kg_schema *s = p->s;
    uint32_t list = kg_build_list(s->b, KG_EXPR_SEQUENCE);
    if (pattern_char(p) == '^') {
        p->at++;
    } else {
        kg_build_append(s->b, list, kg_build_repeat(s->b, kg_schema_call(s, "json-char"), 0, KG_ANY_NUMBER));
    }
    kg_build_append(s->b, list, take_atoms(p));
    if (pattern_char(p) == '$') {
        p->at++;
    } else {
        kg_build_append(s->b, list, kg_build_repeat(s->b, kg_schema_call(s, "json-char"), 0, KG_ANY_NUMBER));
    }
    return list;
}

uint32_t kg_schema_pattern(struct kg_schema *s, struct kg_text text)
{
    struct pattern p = {.s = s, .text = text};
    uint32_t choice = kg_build_list(s->b, KG_EXPR_CHOICE);
    kg_build_append(s->b, choice, take_anchored(&p));
    while (!at_end(&p) && pattern_char(&p) == '|') {
        p.at++;
        kg_build_append(s->b, choice, take_anchored(&p));
    }
    if (s->status == KG_OK && p.at < text.n) {
        return refuse_pattern(&p, pattern_char(&p) == ')' ? "no group is open" : "it is not supported");
    }
    return choice;
}
