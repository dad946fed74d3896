/* Splits a text into words by the rules of a pre-tokenizer: see pretokenize.h. */
#include "pretokenize.h"

/* The piece [from, to) to split. Lookahead stops at its end. */
struct piece {
    const uint32_t *chars;
    uint32_t from, to;
};

struct cuts {
    uint32_t *ends;
    uint32_t n;
};

static bool in_ascii(const char *set, uint32_t code)
{
    for (; set && *set; set++) {
        if ((uint8_t)*set == code) {
            return true;
        }
    }
    return false;
}

static bool in_ranges(const uint32_t (*ranges)[2], uint32_t code)
{
    for (; ranges && (*ranges)[1]; ranges++) {
        if (code >= (*ranges)[0] && code <= (*ranges)[1]) {
            return true;
        }
    }
    return false;
}

static bool in_set(const struct kg_set *set, uint32_t character)
{
    uint32_t code = KG_CHAR_CODE(character);
    enum kg_class class = KG_CHAR_CLASS(character);
    bool found = (set->classes >> class & 1) || in_ascii(set->ascii, code) ||
                 (class != KG_SPACE && in_ranges(set->ranges, code));
    return found != set->others;
}

/* Length of the run of `set` at `at`, at most `most` (0: unlimited). */
static uint32_t run_of(const struct piece *piece, uint32_t at, const struct kg_set *set, uint32_t most)
{
    uint32_t end = most && most < piece->to - at ? at + most : piece->to;
    uint32_t i = at;
    while (i < end && in_set(set, piece->chars[i])) {
        i++;
    }
    return i - at;
}

static uint32_t spaces_at(const struct piece *piece, uint32_t at)
{
    uint32_t i = at;
    while (i < piece->to && KG_CHAR_CLASS(piece->chars[i]) == KG_SPACE) {
        i++;
    }
    return i - at;
}

/* The ASCII letter at `at`, lower-cased if `any_case`; 0 if there is none. */
static char letter_at(const struct piece *piece, uint32_t at, bool any_case)
{
    if (any_case && at < piece->to && piece->chars[at] & KG_CHAR_LONG_S) {
        return 's';
    }
    uint32_t code = at < piece->to ? KG_CHAR_CODE(piece->chars[at]) : 0;
    code |= any_case && code >= 'A' && code <= 'Z' ? 0x20 : 0;
    return code >= 'a' && code <= 'z' ? (char)code : 0;
}

static uint32_t match_contraction(const struct piece *piece, uint32_t at, bool any_case)
{
    if (at >= piece->to || KG_CHAR_CODE(piece->chars[at]) != '\'') {
        return 0;
    }
    char first = letter_at(piece, at + 1, any_case);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') {
        return 2;
    }
    char second = letter_at(piece, at + 2, any_case);
    return second && (((first == 'r' || first == 'v') && second == 'e') || (first == 'l' && second == 'l')) ? 3 : 0;
}

static bool is_upper(const struct kg_set *letters, uint32_t character)
{
    return (in_set(letters, character) || character & KG_CHAR_CASED_MARK) && !(character & KG_CHAR_SMALL);
}

static bool is_lower(const struct kg_set *letters, uint32_t character)
{
    return (in_set(letters, character) || character & KG_CHAR_CASED_MARK) && !(character & KG_CHAR_CAPITAL);
}

/* upper* lower+, or upper+ lower*. A letter that is neither only capital nor only small counts as both cases. If only
 * capitals follow the last such letter, that letter is the lower+. */
static uint32_t match_cased(const struct piece *piece, uint32_t at, const struct kg_step *step)
{
    uint32_t i = at, upper_end, lower = piece->to;
    for (; i < piece->to && is_upper(step->body, piece->chars[i]); i++) {
        lower = is_lower(step->body, piece->chars[i]) ? i : lower;
    }
    upper_end = i;
    while (i < piece->to && is_lower(step->body, piece->chars[i])) {
        i++;
    }
    if (step->kind == KG_STEP_CAPITALS) {
        return upper_end > at ? i - at : 0;
    }
    return i > upper_end ? i - at : lower < piece->to ? lower + 1 - at : 0;
}

static uint32_t body_of(const struct piece *piece, uint32_t at, const struct kg_step *step)
{
    uint32_t n = step->kind == KG_STEP_WORD ? run_of(piece, at, step->body, step->most) : match_cased(piece, at, step);
    return n < step->least ? 0 : n;
}

static uint32_t match_word(const struct piece *piece, uint32_t at, const struct kg_step *step)
{
    uint32_t before = step->before ? run_of(piece, at, step->before, 1) : 0;
    uint32_t n = before || !(step->flags & KG_STEP_MUST_BEFORE) ? body_of(piece, at + before, step) : 0;
    if (!n && before && !(step->flags & KG_STEP_MUST_BEFORE)) {
        before = 0;
        n = body_of(piece, at, step);
    }
    if (!n) {
        return 0;
    }
    uint32_t end = at + before + n;
    end += step->after ? run_of(piece, end, step->after, 0) : 0;
    end += step->flags & KG_STEP_CONTRACTED ? match_contraction(piece, end, true) : 0;
    return end - at;
}

/* Length of the spaces at `at` up to the last line break. */
static uint32_t match_lines(const struct piece *piece, uint32_t at)
{
    uint32_t n = spaces_at(piece, at);
    while (n && KG_CHAR_CODE(piece->chars[at + n - 1]) != '\r' && KG_CHAR_CODE(piece->chars[at + n - 1]) != '\n') {
        n--;
    }
    return n;
}

/* Length of the spaces at `at`, without the one before a word. */
static uint32_t match_spaces(const struct piece *piece, uint32_t at)
{
    uint32_t n = spaces_at(piece, at);
    return at + n == piece->to || !n ? n : n - 1;
}

static uint32_t spaces_twice(const struct piece *piece, uint32_t at)
{
    uint32_t n = match_spaces(piece, at); /* the limit also applies before a character that is not part of a word */
    for (uint32_t size = 512; size >= 4; size /= 2) {
        if (n >= size) {
            return size;
        }
    }
    return n < 2 ? n : 2;
}

static uint32_t match_step(const struct piece *piece, uint32_t at, const struct kg_step *step)
{
    switch (step->kind) {
    case KG_STEP_WORD:
    case KG_STEP_CASED:
    case KG_STEP_CAPITALS: return match_word(piece, at, step);
    case KG_STEP_CONTRACTION: return match_contraction(piece, at, step->flags & KG_STEP_ANY_CASE);
    case KG_STEP_LINES: return match_lines(piece, at);
    case KG_STEP_SPACES: return match_spaces(piece, at);
    case KG_STEP_SPACES_TWICE: return spaces_twice(piece, at);
    case KG_STEP_END: break;
    }
    return 0;
}

static void end_piece(struct cuts *cuts, uint32_t end)
{
    if (cuts->n == 0 || cuts->ends[cuts->n - 1] < end) {
        cuts->ends[cuts->n++] = end;
    }
}

static void cut_by_steps(const struct piece *piece, const struct kg_step *steps, struct cuts *cuts)
{
    for (uint32_t at = piece->from; at < piece->to;) {
        uint32_t n = 0;
        for (const struct kg_step *step = steps; !n && step->kind != KG_STEP_END; step++) {
            n = match_step(piece, at, step);
        }
        if (n) {
            if (at > piece->from) {
                end_piece(cuts, at);
            }
            end_piece(cuts, at + n);
        }
        at += n ? n : 1;
    }
}

static void cut_last_spaces(const struct piece *piece, struct cuts *cuts)
{
    uint32_t at = piece->to;
    while (at > piece->from && KG_CHAR_CLASS(piece->chars[at - 1]) == KG_SPACE) {
        at--;
    }
    if (at > piece->from) {
        end_piece(cuts, at);
    }
}

static void cut_threes(const struct piece *piece, struct cuts *cuts)
{
    static const struct kg_set numbers = {.classes = 1 << KG_NUMBER};
    for (uint32_t at = piece->from; at < piece->to; at++) {
        uint32_t n = run_of(piece, at, &numbers, 0), end = at + n;
        for (at += n % 3; at < end; at += 3) {
            end_piece(cuts, n % 3 ? at : at + 3);
        }
        if (n % 3) {
            end_piece(cuts, end);
        }
    }
}

static void cut_digits(const struct piece *piece, struct cuts *cuts)
{
    static const struct kg_set digits = {.ascii = "0123456789"};
    for (uint32_t at = piece->from; at < piece->to; at++) {
        uint32_t n = run_of(piece, at, &digits, 0), end = at + n;
        for (at += n % 3; at < end; at += 3) {
            if (at > piece->from) {
                end_piece(cuts, at);
            }
        }
    }
}

static void cut_lines(const struct piece *piece, struct cuts *cuts)
{
    for (uint32_t at = piece->from + 1; at < piece->to; at++) {
        if ((KG_CHAR_CODE(piece->chars[at]) == '\n') != (KG_CHAR_CODE(piece->chars[at - 1]) == '\n')) {
            end_piece(cuts, at);
        }
    }
}

static void cut_piece(const struct piece *piece, const struct kg_pass *pass, struct cuts *cuts)
{
    switch (pass->kind) {
    case KG_PASS_STEPS: cut_by_steps(piece, pass->steps, cuts); break;
    case KG_PASS_SPACES_LAST: cut_last_spaces(piece, cuts); break;
    case KG_PASS_THREES: cut_threes(piece, cuts); break;
    case KG_PASS_DIGITS: cut_digits(piece, cuts); break;
    case KG_PASS_LINES: cut_lines(piece, cuts); break;
    case KG_PASS_END: break;
    }
    end_piece(cuts, piece->to);
}

uint32_t kg_pre_split(const struct kg_pre *pre, const uint32_t *chars, uint32_t n, uint32_t *ends, uint32_t *spare)
{
    uint32_t *found = ends, *pieces = spare, n_found = 1;
    found[0] = n;
    for (const struct kg_pass *pass = pre->passes; pass->kind != KG_PASS_END; pass++) {
        uint32_t *swap = pieces;
        pieces = found;
        found = swap;
        struct cuts cuts = {.ends = found};
        struct piece piece = {.chars = chars};
        for (uint32_t i = 0; i < n_found; i++) {
            piece.to = pieces[i];
            cut_piece(&piece, pass, &cuts);
            piece.from = piece.to;
        }
        n_found = cuts.n;
    }
    for (uint32_t i = 0; found != ends && i < n_found; i++) {
        ends[i] = found[i];
    }
    return n_found;
}
