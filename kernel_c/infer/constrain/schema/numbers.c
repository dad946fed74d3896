/* Numbers between two bounds: see schema.h. */
#include "schema.h"

#include "kgpt/format.h"

#define DIGITS 15u                  /* of the largest whole number: doubles have them all */
#define LARGEST 999999999999999ull  /* … of them */
#define LARGEST_BOUND 1000000000ull /* of numbers with fractions, whose six digits are then exact */

/* Magnitudes from `low` to `high`; without a fraction at `low` or `high` itself if they are excluded. */
struct magnitudes {
    uint64_t low, high;
    bool without_low, without_high;
};

/* The bounds of a schema. */
struct bounds {
    bool has_low, has_high, without_low, without_high;
    int64_t low, high;
};

static uint32_t digit_class(struct kg_schema *s, uint32_t low, uint32_t high)
{
    const struct kg_code_range range = {'0' + low, '0' + high};
    return kg_build_class(s->b, &range, 1);
}

static uint32_t any_digits(struct kg_schema *s, uint32_t least, uint32_t most)
{
    return kg_build_repeat(s->b, digit_class(s, 0, 9), least, most);
}

/* Digits of a number, the first one first. Returns how many they are. */
static uint32_t digits_of(uint64_t value, uint8_t digits[DIGITS])
{
    char text[24];
    uint32_t n = (uint32_t)kg_format(text, sizeof text, "%llu", (unsigned long long)value);
    for (uint32_t i = 0; i < n && i < DIGITS; i++) {
        digits[i] = (uint8_t)(text[i] - '0');
    }
    return n;
}

/* The first `n` digits as they are, then one from `low` to `high`, then `rest` of any kind. */
static void add_numbers(struct kg_schema *s, uint32_t choice, const uint8_t *digits, uint32_t n, uint32_t low,
                        uint32_t high, uint32_t rest)
{
    char text[DIGITS];
    if (low > high || high > 9) {
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        text[i] = (char)('0' + digits[i]);
    }
    uint32_t list = kg_build_list(s->b, KG_EXPR_SEQUENCE);
    kg_build_append(s->b, list, kg_build_text(s->b, text, n));
    kg_build_append(s->b, list, digit_class(s, low, high));
    kg_build_append(s->b, list, any_digits(s, rest, rest));
    kg_build_append(s->b, choice, list);
}

/* Numbers of as many digits as both bounds have. */
static void add_same_length(struct kg_schema *s, uint32_t choice, uint64_t low, uint64_t high)
{
    uint8_t a[DIGITS], b[DIGITS];
    uint32_t n = digits_of(low, a), same = 0;
    digits_of(high, b);
    while (same + 1 < n && a[same] == b[same]) {
        same++;
    }
    if (same + 1 == n) {
        add_numbers(s, choice, a, same, a[same], b[same], 0);
        return;
    }
    add_numbers(s, choice, a, same, a[same] + 1u, b[same] ? b[same] - 1u : 0, n - same - 1);
    for (uint32_t i = same + 1; i < n; i++) { /* above `low`, and below `high`, in this digit first */
        bool last = i + 1 == n;
        add_numbers(s, choice, a, i, a[i] + !last, 9, n - i - 1);
        if (b[i] + last > 0) {
            add_numbers(s, choice, b, i, 0, b[i] - !last, n - i - 1);
        }
    }
}

static uint64_t ten_to(uint32_t n)
{
    uint64_t power = 1;
    while (n-- > 0) {
        power *= 10;
    }
    return power;
}

/* Whole numbers from `low` to `high`; KG_NO_EXPR: there are none. */
static uint32_t whole_numbers(struct kg_schema *s, uint64_t low, uint64_t high)
{
    if (low > high) {
        return KG_NO_EXPR;
    }
    uint32_t choice = kg_build_list(s->b, KG_EXPR_CHOICE);
    for (uint32_t n = 1; n <= DIGITS; n++) {
        uint64_t least = n == 1 ? 0 : ten_to(n - 1), most = ten_to(n) - 1;
        least = least < low ? low : least;
        most = most > high ? high : most;
        if (least <= most) {
            add_same_length(s, choice, least, most);
        }
    }
    return choice;
}

/* A "." and digits: any, only zeros, or not only zeros. */
static uint32_t any_fraction(struct kg_schema *s)
{
    return kg_build_repeat(s->b, kg_schema_chain(s, kg_schema_text(s, "."), any_digits(s, 1, 6)), 0, 1);
}

static uint32_t zero_fraction(struct kg_schema *s)
{
    uint32_t zeros = kg_build_repeat(s->b, digit_class(s, 0, 0), 1, 6);
    return kg_build_repeat(s->b, kg_schema_chain(s, kg_schema_text(s, "."), zeros), 0, 1);
}

static uint32_t some_fraction(struct kg_schema *s)
{
    uint32_t zeros = kg_build_repeat(s->b, digit_class(s, 0, 0), 0, 5);
    uint32_t list = kg_schema_chain(s, kg_schema_text(s, "."), zeros);
    kg_build_append(s->b, list, digit_class(s, 1, 9));
    return list;
}

static uint32_t number_text(struct kg_schema *s, uint64_t value)
{
    char text[24];
    return kg_build_text(s->b, text, kg_format(text, sizeof text, "%llu", (unsigned long long)value));
}

/* Adds the numbers of these magnitudes to a choice, behind a sign. */
static void add_magnitudes(struct kg_schema *s, uint32_t choice, const char *sign, struct magnitudes m, bool integer)
{
    struct kg_builder *b = s->b;
    uint64_t low = m.low + m.without_low, high = m.high;
    if (integer) {
        if (m.without_high && high-- == 0) {
            return;
        }
        uint32_t whole = whole_numbers(s, low, high);
        if (whole != KG_NO_EXPR) {
            kg_build_append(b, choice, kg_schema_chain(s, kg_schema_text(s, sign), whole));
        }
        return;
    }
    uint32_t some = kg_build_list(b, KG_EXPR_CHOICE);
    bool any = false;
    if (low < high) {
        kg_build_append(b, some, kg_schema_chain(s, whole_numbers(s, low, high - 1), any_fraction(s)));
        any = true;
    }
    if (m.without_low && m.low < high) { /* above `low`, and below the next whole number */
        kg_build_append(b, some, kg_schema_chain(s, number_text(s, m.low), some_fraction(s)));
        any = true;
    }
    if (!m.without_high && low <= high) {
        kg_build_append(b, some, kg_schema_chain(s, number_text(s, high), zero_fraction(s)));
        any = true;
    }
    if (any) {
        kg_build_append(b, choice, kg_schema_chain(s, kg_schema_text(s, sign), some));
    }
}

/* A bound. Of a fraction, *value is the next whole number towards 0, and *fraction is true. */
static bool read_bound(struct kg_schema *s, const char *name, uint32_t value, int64_t *bound, bool *fraction)
{
    const struct kg_json_value *v = &s->tree->values[value];
    const char *text = s->tree->text + v->at;
    uint64_t magnitude = 0;
    uint32_t at = 0;
    *fraction = false;
    bool negative = v->kind == KG_JSON_NUMBER && text[0] == '-', good = v->kind == KG_JSON_NUMBER;
    for (at = negative; good && at < v->n && text[at] >= '0' && text[at] <= '9'; at++) {
        magnitude = magnitude * 10 + (uint64_t)(text[at] - '0');
        good = magnitude <= LARGEST;
    }
    if (good && at < v->n && text[at] == '.') {
        for (at++; at < v->n && text[at] >= '0' && text[at] <= '9'; at++) {
            *fraction = *fraction || text[at] != '0';
        }
    }
    *bound = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    if (!good || at < v->n) {
        kg_schema_refuse(s, "\"%s\" is not a number of at most %u digits, without an exponent", name, DIGITS);
        return false;
    }
    return true;
}

/* Takes a bound into account. Of whole numbers a fraction is rounded into the range. */
static bool take_bound(struct kg_schema *s, uint32_t schema, const char *name, bool integer, struct bounds *bounds)
{
    uint32_t value = kg_json_member(s->tree, schema, name);
    bool without = name[0] == 'e', high = name[without ? 10 : 1] == 'a', fraction;
    int64_t bound;
    if (value == KG_JSON_NONE) {
        return true;
    }
    if (!read_bound(s, name, value, &bound, &fraction)) {
        return false;
    }
    if (fraction && !integer) {
        kg_schema_refuse(s, "\"%s\" of a number is supported without a fraction only", name);
        return false;
    }
    if (fraction) { /* rounded towards 0: outwards for one of the two bounds */
        bool negative = s->tree->text[s->tree->values[value].at] == '-';
        bound += high ? (negative ? -1 : 0) : (negative ? 0 : 1);
        without = false;
    }
    bool *has = high ? &bounds->has_high : &bounds->has_low,
         *excludes = high ? &bounds->without_high : &bounds->without_low;
    int64_t *place = high ? &bounds->high : &bounds->low;
    bool tighter = !*has || (high ? bound < *place : bound > *place) || (bound == *place && without);
    if (tighter) {
        *has = true;
        *place = bound;
        *excludes = without;
    }
    return true;
}

/* Negative numbers, 0 among them only if the range ends there, and others. */
static uint32_t bounded_numbers(struct kg_schema *s, const struct bounds *of, bool integer)
{
    uint64_t largest = integer ? LARGEST : LARGEST_BOUND - 1;
    uint32_t choice = kg_build_list(s->b, KG_EXPR_CHOICE);
    bool nothing = of->has_low && of->has_high &&
                   (of->low > of->high || (of->low == of->high && (of->without_low || of->without_high)));
    if (nothing) {
        return kg_schema_refuse(s, "no number lies between the bounds");
    }
    if (!of->has_low || of->low < 0) {
        struct magnitudes m = {.high = of->has_low ? (uint64_t)-of->low : largest,
                               .without_high = of->has_low && of->without_low};
        bool ends = of->has_high && of->high <= 0;
        m.low = ends ? (uint64_t)-of->high : 0;
        m.without_low = ends ? of->without_high : integer; /* "-0" is a number, but not a whole one that people write */
        add_magnitudes(s, choice, "-", m, integer);
    }
    if (!of->has_high || of->high >= 0) {
        bool begins = of->has_low && of->low >= 0;
        struct magnitudes m = {.low = begins ? (uint64_t)of->low : 0,
                               .without_low = begins && of->without_low,
                               .high = of->has_high ? (uint64_t)of->high : largest,
                               .without_high = of->has_high && of->without_high};
        add_magnitudes(s, choice, "", m, integer);
    }
    if (!s->b->full && s->b->exprs[choice].first == KG_NO_EXPR) {
        return kg_schema_refuse(s, "no number lies between the bounds");
    }
    return choice;
}

uint32_t kg_schema_number(struct kg_schema *s, uint32_t schema, bool integer)
{
    static const char *const names[] = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"};
    struct bounds bounds = {0};
    for (uint32_t i = 0; i < 4; i++) {
        if (!take_bound(s, schema, names[i], integer, &bounds)) {
            return 0;
        }
    }
    if (!bounds.has_low && !bounds.has_high) {
        return kg_schema_call(s, integer ? "json-integer" : "json-number");
    }
    int64_t most = integer ? (int64_t)LARGEST : (int64_t)LARGEST_BOUND;
    if (bounds.low > most || bounds.low < -most || bounds.high > most || bounds.high < -most) {
        return kg_schema_refuse(s, "the bounds of a number are at most %ld here", (long)most);
    }
    return bounded_numbers(s, &bounds, integer);
}
