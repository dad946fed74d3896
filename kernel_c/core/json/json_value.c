/* Values of a JSON text that was read: see kgpt/json_read.h. */
#include "kgpt/json_read.h"

#define MOST_DIGITS 19 /* any 19 digits fit a uint64_t */
#define MOST_EXPONENT 100000
#define EXACT_POWER 22 /* the largest power of ten that is a double */

uint32_t kg_json_after(const struct kg_json_tree *tree, uint32_t parent, uint32_t value)
{
    uint32_t next = tree->values[value].next;
    return next < tree->values[parent].next ? next : KG_JSON_NONE;
}

enum kg_json_kind kg_json_kind(const struct kg_json_tree *tree, uint32_t value)
{
    return value == KG_JSON_NONE ? KG_JSON_NULL : tree->values[value].kind;
}

uint32_t kg_json_first(const struct kg_json_tree *tree, uint32_t parent)
{
    enum kg_json_kind kind = kg_json_kind(tree, parent);
    bool holds = kind == KG_JSON_LIST || kind == KG_JSON_OBJECT;
    return holds && parent + 1 < tree->values[parent].next ? parent + 1 : KG_JSON_NONE;
}

uint32_t kg_json_next(const struct kg_json_tree *tree, uint32_t parent, uint32_t value)
{
    return value == KG_JSON_NONE ? kg_json_first(tree, parent) : kg_json_after(tree, parent, value);
}

uint32_t kg_json_member(const struct kg_json_tree *tree, uint32_t object, const char *name)
{
    uint32_t found = KG_JSON_NONE;
    if (kg_json_kind(tree, object) != KG_JSON_OBJECT) {
        return found;
    }
    for (uint32_t key = kg_json_first(tree, object); key != KG_JSON_NONE;) {
        uint32_t value = kg_json_after(tree, object, key);
        found = kg_json_says(tree, key, name) ? value : found;
        key = kg_json_after(tree, object, value);
    }
    return found;
}

struct kg_text kg_json_string(const struct kg_json_tree *tree, uint32_t value)
{
    return (struct kg_text){tree->text + tree->values[value].at, tree->values[value].n};
}

bool kg_json_says(const struct kg_json_tree *tree, uint32_t value, const char *text)
{
    if (kg_json_kind(tree, value) != KG_JSON_STRING) {
        return false;
    }
    return kg_text_is(kg_json_string(tree, value), text);
}

/* digits * 10^power, of a number that JSON allows. Digits behind the first 19 significant ones only count. */
struct decimal {
    uint64_t digits;
    int32_t power;
    bool negative, whole;
};

static struct decimal parse_json_number(struct kg_text text)
{
    struct decimal d = {.negative = text.data[0] == '-', .whole = true};
    size_t i = d.negative;
    int32_t significant = 0, exponent = 0;
    for (; i < text.n && text.data[i] != 'e' && text.data[i] != 'E'; i++) {
        if (text.data[i] == '.') {
            d.whole = false;
            continue;
        }
        uint64_t digit = (uint64_t)(text.data[i] - '0');
        significant += significant || digit;
        bool fits = significant <= MOST_DIGITS;
        d.digits = fits ? d.digits * 10 + digit : d.digits;
        d.power += d.whole ? !fits : fits ? -1 : 0;
    }
    if (i < text.n) {
        bool down = text.data[i + 1] == '-';
        d.whole = false;
        for (i += 1 + (down || text.data[i + 1] == '+'); i < text.n; i++) {
            exponent = exponent < MOST_EXPONENT ? exponent * 10 + (text.data[i] - '0') : exponent;
        }
        d.power += down ? -exponent : exponent;
    }
    return d;
}

/* 10^n, exact for n up to EXACT_POWER. */
static double exact_power(int32_t n)
{
    double power = 1;
    for (; n > 0; n--) {
        power *= 10;
    }
    return power;
}

double kg_json_number(const struct kg_json_tree *tree, uint32_t value)
{
    const struct decimal d = parse_json_number(kg_json_string(tree, value));
    double result = (double)d.digits, most = exact_power(EXACT_POWER);
    int32_t power = d.power;
    uint64_t magnitude;
    bool negative;
    if (kg_json_whole(tree, value, &magnitude, &negative)) { /* rounded once, whatever its length */
        return negative ? -(double)magnitude : (double)magnitude;
    }
    for (; power > EXACT_POWER && result != 0 && result - result == 0; power -= EXACT_POWER) {
        result *= most;
    }
    for (; power < -EXACT_POWER && result != 0; power += EXACT_POWER) {
        result /= most;
    }
    if (power >= -EXACT_POWER && power <= EXACT_POWER) {
        result = power < 0 ? result / exact_power(-power) : result * exact_power(power);
    }
    return d.negative ? -result : result;
}

bool kg_json_whole(const struct kg_json_tree *tree, uint32_t value, uint64_t *magnitude, bool *negative)
{
    struct kg_text text = kg_json_string(tree, value);
    uint64_t total = 0;
    if (tree->values[value].kind != KG_JSON_NUMBER) {
        return false;
    }
    *negative = text.data[0] == '-';
    for (size_t i = *negative; i < text.n; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(total, (uint64_t)10, &total) ||
            __builtin_add_overflow(total, (uint64_t)(text.data[i] - '0'), &total)) {
            return false;
        }
    }
    *magnitude = total;
    return true;
}
