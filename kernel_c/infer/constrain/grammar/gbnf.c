/* Reads GBNF, the notation of llama.cpp's grammars: docs/constrained.md. */
#include "build.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/utf8.h"

#define MOST_RANGES 256u /* of one class */
#define MOST_SUFFIXES 4u
#define LAST_CODE 0x10FFFFu

struct gbnf {
    struct kg_builder *b;
    const char *text;
    size_t n, at;
    uint32_t depth;
    enum kg_status status;
    struct kg_error *error;
};

/* Refuses the text at an offset, by line and column, which counts characters. The first refusal stays. */
static void refuse_grammar(struct gbnf *g, size_t at, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void refuse_grammar(struct gbnf *g, size_t at, const char *format, ...)
{
    char message[160];
    uint32_t line = 1, column = 1;
    if (g->status != KG_OK) {
        return;
    }
    for (size_t i = 0; i < at && i < g->n; i++) {
        bool end = g->text[i] == '\n';
        line += end;
        column = end ? 1 : column + (((unsigned char)g->text[i] & 0xC0) != 0x80);
    }
    va_list arguments;
    va_start(arguments, format);
    kg_vformat(message, sizeof message, format, arguments);
    va_end(arguments);
    g->status = kg_error_set(g->error, KG_E_INPUT, "the grammar, line %u, column %u: %s", line, column, message);
    kg_error_hint(g->error, "docs/constrained.md describes the notation");
}

static char peek(const struct gbnf *g)
{
    return g->at < g->n ? g->text[g->at] : '\0';
}

static bool looking_at(const struct gbnf *g, const char *text)
{
    size_t n = kg_strlen(text);
    return g->n - g->at >= n && memcmp(g->text + g->at, text, n) == 0;
}

/* White space and comments; line feeds only if `lines`. */
static void skip_blanks(struct gbnf *g, bool lines)
{
    for (; g->at < g->n; g->at++) {
        char c = g->text[g->at];
        if (c == '#') {
            while (g->at < g->n && g->text[g->at] != '\n') {
                g->at++;
            }
            g->at -= 1;
        } else if (!(c == ' ' || c == '\t' || c == '\r' || (lines && c == '\n'))) {
            return;
        }
    }
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

static struct kg_text take_name(struct gbnf *g)
{
    size_t start = g->at;
    while (is_name_char(peek(g))) {
        g->at++;
    }
    if (g->at == start) {
        refuse_grammar(g, start, "a name is expected");
    }
    return (struct kg_text){g->text + start, g->at - start};
}

static uint32_t take_hex(struct gbnf *g, uint32_t digits)
{
    uint32_t value = 0;
    size_t start = g->at;
    for (uint32_t i = 0; i < digits; i++, g->at++) {
        char c = peek(g);
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10
                                                : 16;
        if (digit == 16) {
            refuse_grammar(g, start, "%u hexadecimal digits are expected", digits);
            return 0;
        }
        value = value << 4 | digit;
    }
    if (value > LAST_CODE || (value >= 0xD800 && value <= 0xDFFF)) {
        refuse_grammar(g, start, "there is no character of this number");
        return 0;
    }
    return value;
}

/* A character of a literal or a class. */
static uint32_t take_char(struct gbnf *g)
{
    size_t start = g->at, length;
    if (peek(g) != '\\') {
        length = kg_utf8_length(g->text + g->at, g->n - g->at);
        if (length == 0) {
            refuse_grammar(g, start, g->at == g->n ? "the text ends inside a literal or a class" : "this is not UTF-8");
            return 0;
        }
        g->at += length;
        return kg_utf8_code(g->text + start, length);
    }
    g->at++;
    char c = peek(g);
    g->at += g->at < g->n;
    switch (c) {
    case 'x': return take_hex(g, 2);
    case 'u': return take_hex(g, 4);
    case 'U': return take_hex(g, 8);
    case 't': return '\t';
    case 'r': return '\r';
    case 'n': return '\n';
    case '\\':
    case '"':
    case '[':
    case '-': /* llama.cpp has no escape for a hyphen or a circumflex in a class */
    case '^':
    case ']': return (uint32_t)(unsigned char)c;
    default:
        refuse_grammar(g, start, "there is no such escape: \\x \\u \\U \\t \\r \\n \\\\ \\\" \\[ \\] are");
        return 0;
    }
}

static uint32_t take_literal(struct gbnf *g)
{
    struct kg_builder *b = g->b;
    uint32_t list = kg_build_list(b, KG_EXPR_SEQUENCE);
    char text[64];
    size_t n = 0, start = g->at++;
    while (g->status == KG_OK && peek(g) != '"') {
        if (g->at >= g->n || peek(g) == '\n') {
            refuse_grammar(g, start, "the literal has no closing quote on its line");
            break;
        }
        if (n > sizeof text - 4) {
            kg_build_append(b, list, kg_build_text(b, text, n));
            n = 0;
        }
        n += kg_utf8_encode(take_char(g), text + n);
    }
    g->at++;
    kg_build_append(b, list, kg_build_text(b, text, n));
    return list;
}

/* Not inlined: its frame is large, and its caller is recursive. */
static __attribute__((noinline)) uint32_t take_class(struct gbnf *g)
{
    struct kg_code_range ranges[MOST_RANGES], inverted[MOST_RANGES + 2];
    uint32_t n = 0;
    size_t start = g->at++;
    bool invert = peek(g) == '^';
    g->at += invert;
    while (g->status == KG_OK && peek(g) != ']') {
        size_t from = g->at;
        if (g->at >= g->n || peek(g) == '\n') {
            refuse_grammar(g, start, "the class has no closing bracket on its line");
            break;
        }
        if (n == MOST_RANGES) {
            refuse_grammar(g, start, "the class has more than %u ranges", MOST_RANGES);
            break;
        }
        ranges[n].low = ranges[n].high = take_char(g);
        if (peek(g) == '-' && g->at + 1 < g->n && g->text[g->at + 1] != ']') {
            g->at++;
            ranges[n].high = take_char(g);
        }
        if (ranges[n].high < ranges[n].low) {
            refuse_grammar(g, from, "the range ends before it begins");
        }
        n++;
    }
    g->at++;
    n = kg_ranges_join(ranges, n);
    if (!invert) {
        return kg_build_class(g->b, ranges, n);
    }
    return kg_build_class(g->b, inverted, kg_ranges_invert(ranges, n, inverted));
}

static uint32_t take_number(struct gbnf *g)
{
    uint64_t value = 0;
    size_t start = g->at;
    while (peek(g) >= '0' && peek(g) <= '9' && g->at - start < 10) {
        value = value * 10 + (uint64_t)(peek(g) - '0');
        g->at++;
    }
    if (g->at == start || value > INT32_MAX) {
        refuse_grammar(g, start, g->at == start ? "a number is expected" : "the number is above %d", INT32_MAX);
        return 0;
    }
    return (uint32_t)value;
}

/* {m}, {m,} or {m,n}; {,n} is {0,n}. */
static uint32_t take_counts(struct gbnf *g, uint32_t expr)
{
    size_t start = g->at++;
    skip_blanks(g, false);
    uint32_t least = peek(g) == ',' ? 0 : take_number(g), most = least;
    skip_blanks(g, false);
    if (peek(g) == ',') {
        g->at++;
        skip_blanks(g, false);
        most = peek(g) == '}' ? KG_ANY_NUMBER : take_number(g);
        skip_blanks(g, false);
    }
    if (peek(g) != '}') {
        refuse_grammar(g, g->at, "a } is expected behind the number of repetitions");
    }
    g->at++;
    if (most < least) {
        refuse_grammar(g, start, "at most %u repetitions, but at least %u", most, least);
    }
    return kg_build_repeat(g->b, expr, least, most);
}

static uint32_t take_suffixes(struct gbnf *g, uint32_t expr)
{
    for (uint32_t suffixes = 0; g->status == KG_OK; suffixes++) {
        char c = peek(g);
        if (c == '\0' || (c != '*' && c != '+' && c != '?' && c != '{')) {
            return expr;
        }
        if (suffixes == MOST_SUFFIXES) {
            refuse_grammar(g, g->at, "too many repetitions of repetitions");
        } else if (c == '{') {
            expr = take_counts(g, expr);
        } else {
            g->at++;
            expr = kg_build_repeat(g->b, expr, c == '+', c == '?' ? 1 : KG_ANY_NUMBER);
        }
        skip_blanks(g, g->depth > 0);
    }
    return expr;
}

static uint32_t take_choice(struct gbnf *g);

static uint32_t take_group(struct gbnf *g)
{
    size_t start = g->at++;
    if (++g->depth > KG_BUILD_DEPTH) {
        refuse_grammar(g, start, "groups are nested deeper than %u", KG_BUILD_DEPTH);
        return 0;
    }
    uint32_t expr = take_choice(g);
    if (peek(g) != ')') {
        refuse_grammar(g, start, "the group has no closing parenthesis");
    }
    g->at++;
    g->depth--;
    return expr;
}

static bool begins_item(char c)
{
    return c == '"' || c == '[' || c == '(' || c == '.' || is_name_char(c);
}

static uint32_t take_item(struct gbnf *g)
{
    static const struct kg_code_range any[] = {{0, 0xD7FF}, {0xE000, LAST_CODE}};
    size_t start = g->at;
    switch (peek(g)) {
    case '"': return take_literal(g);
    case '[': return take_class(g);
    case '(': return take_group(g);
    case '.': g->at++; return kg_build_class(g->b, any, 2);
    default: break;
    }
    struct kg_text name = take_name(g);
    return kg_build_call(g->b, kg_build_rule(g->b, name.data, name.n, (uint32_t)start));
}

/* Is the name at this place that of the next rule? */
static bool begins_rule(struct gbnf *g)
{
    size_t start = g->at;
    while (is_name_char(peek(g))) {
        g->at++;
    }
    skip_blanks(g, false);
    bool begins = looking_at(g, "::=");
    g->at = start;
    return begins;
}

static uint32_t take_sequence(struct gbnf *g)
{
    uint32_t list = kg_build_list(g->b, KG_EXPR_SEQUENCE);
    while (g->status == KG_OK && !g->b->full && begins_item(peek(g))) {
        if (is_name_char(peek(g)) && begins_rule(g)) {
            refuse_grammar(g, g->at, "a rule begins on a line of its own, and after the groups before are closed");
            break;
        }
        uint32_t item = take_item(g);
        skip_blanks(g, g->depth > 0);
        kg_build_append(g->b, list, take_suffixes(g, item));
    }
    return list;
}

/* Looks for a | on one of the next lines. */
static bool choice_goes_on(struct gbnf *g)
{
    size_t start = g->at;
    skip_blanks(g, true);
    if (peek(g) == '|') {
        return true;
    }
    g->at = start;
    return false;
}

static uint32_t take_choice(struct gbnf *g)
{
    uint32_t list = kg_build_list(g->b, KG_EXPR_CHOICE);
    skip_blanks(g, true);
    kg_build_append(g->b, list, take_sequence(g));
    while (g->status == KG_OK && choice_goes_on(g)) {
        g->at++;
        skip_blanks(g, true);
        kg_build_append(g->b, list, take_sequence(g));
    }
    return list;
}

static void take_rule(struct gbnf *g)
{
    size_t start = g->at;
    struct kg_text name = take_name(g);
    skip_blanks(g, false);
    if (g->status == KG_OK && !looking_at(g, "::=")) {
        refuse_grammar(g, g->at, "::= is expected behind the name of a rule");
    }
    if (g->status != KG_OK) {
        return;
    }
    g->at += 3;
    uint32_t rule = kg_build_rule(g->b, name.data, name.n, (uint32_t)start);
    if (g->b->rules[rule].body != KG_NO_EXPR) {
        refuse_grammar(g, start, "the rule \"%.*s\" is defined twice", (int)(name.n < 64 ? name.n : 64), name.data);
        return;
    }
    uint32_t body = take_choice(g);
    skip_blanks(g, false);
    if (g->status == KG_OK && g->at < g->n && peek(g) != '\n') {
        refuse_grammar(g, g->at, peek(g) == ')' ? "no group is open" : "the end of the rule is expected");
    }
    if (!g->b->full) {
        g->b->rules[rule].body = body;
        g->b->rules[rule].at = (uint32_t)start;
    }
}

static void check_defined(struct gbnf *g, uint32_t n_before)
{
    const struct kg_builder *b = g->b;
    for (uint32_t i = n_before; i < b->n_rules && g->status == KG_OK; i++) {
        const struct kg_rule *rule = &b->rules[i];
        if (rule->body == KG_NO_EXPR) {
            refuse_grammar(g, rule->at, "there is no rule \"%.*s\"", (int)(rule->n_name < 64 ? rule->n_name : 64),
                           b->bytes + rule->name);
        }
    }
}

static enum kg_status read_rules(struct gbnf *g)
{
    uint32_t n_before = g->b->n_rules;
    if (g->n > UINT32_MAX / 2) {
        return kg_grammar_full(g->error);
    }
    skip_blanks(g, true);
    while (g->status == KG_OK && !g->b->full && g->at < g->n) {
        take_rule(g);
        skip_blanks(g, true);
    }
    if (g->b->full) { /* whatever was refused after that */
        return kg_grammar_full(g->error);
    }
    check_defined(g, n_before);
    return g->status;
}

enum kg_status kg_gbnf_read(struct kg_builder *b, struct kg_text text, struct kg_error *error)
{
    struct gbnf g = {.b = b, .text = text.data, .n = text.n, .error = error};
    return read_rules(&g);
}

/* Reads rules into the tree. *root: the number of the rule `root`. */
static enum kg_status read_grammar(struct gbnf *g, uint32_t *root)
{
    struct kg_builder *b = g->b;
    enum kg_status status = read_rules(g);
    if (status != KG_OK) {
        return status;
    }
    *root = kg_build_rule(b, "root", 4, (uint32_t)g->n);
    if (b->full || b->rules[*root].body == KG_NO_EXPR) {
        refuse_grammar(g, g->n, "there is no rule \"root\", which a text begins with");
        return g->status;
    }
    uint32_t circle = kg_check_rules(b);
    if (circle != KG_NO_EXPR) {
        const struct kg_rule *rule = &b->rules[circle];
        refuse_grammar(g, rule->at, "the rule \"%.*s\" begins with itself (left recursion): write it as a repetition",
                       (int)(rule->n_name < 64 ? rule->n_name : 64), b->bytes + rule->name);
    }
    return g->status;
}

enum kg_status kg_grammar_read(struct kg_grammar *grammar, struct kg_text gbnf, struct kg_arena *arena,
                               struct kg_arena *scratch, struct kg_error *error)
{
    struct kg_builder b;
    struct gbnf g = {.b = &b, .text = gbnf.data, .n = gbnf.n, .error = error};
    size_t used = scratch->used;
    uint32_t root = 0;
    enum kg_status status = kg_build_begin(&b, scratch) ? read_grammar(&g, &root) : kg_grammar_full(error);
    if (status == KG_OK) {
        status = kg_emit_program(&b, root, grammar, arena, scratch, error);
    }
    kg_arena_rewind(scratch, used);
    return status;
}
