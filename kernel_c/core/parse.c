/* Parsers for numbers: see kgpt/parse.h. */
#include "kgpt/parse.h"

#define KG_DECIMAL_DIGITS 19 /* any 19 digits fit a uint64_t */
#define KG_EXACT_MANTISSA 1000000000000000ull
#define KG_EXACT_POWER 22
#define KG_DECIMAL_POWER 60 /* beyond 10^±60 a float is 0 or infinite, even with 19 digits */

static int digit_value(char c, unsigned base)
{
    int value = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : 99;
    return value < (int)base ? value : -1;
}

bool kg_parse_u64(const char *text, uint64_t *value)
{
    unsigned base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
    uint64_t total = 0;
    text += base == 16 ? 2 : 0;
    if (!*text) {
        return false;
    }
    for (; *text; text++) {
        int digit = digit_value(*text, base);
        if (digit < 0 || __builtin_mul_overflow(total, (uint64_t)base, &total) ||
            __builtin_add_overflow(total, (uint64_t)digit, &total)) {
            return false;
        }
    }
    *value = total;
    return true;
}

/* Parses digits with at most one point as mantissa * 10^power. Returns the rest of the text, or NULL if there is no
 * digit. */
static const char *parse_mantissa(const char *text, uint64_t *mantissa, int *power)
{
    int digits = 0, significant = 0;
    bool point = false;
    for (;; text++) {
        if (*text == '.' && !point) {
            point = true;
            continue;
        }
        int digit = digit_value(*text, 10);
        if (digit < 0) {
            return digits ? text : (const char *)0;
        }
        digits++;
        significant += significant || digit;
        if (significant > KG_DECIMAL_DIGITS) {
            return (const char *)0;
        }
        *mantissa = *mantissa * 10 + (uint64_t)digit;
        *power -= point;
    }
}

static const char *parse_exponent(const char *text, int *power)
{
    bool negative = *text == '-';
    int exponent = 0, digits = 0;
    text += *text == '-' || *text == '+';
    for (; digit_value(*text, 10) >= 0; text++, digits++) {
        exponent = exponent < 1000 ? exponent * 10 + digit_value(*text, 10) : exponent;
    }
    *power += negative ? -exponent : exponent;
    return digits ? text : (const char *)0;
}

/* 10^n, exact up to n = 22. */
static double power_of_ten(int n)
{
    double scale = 1;
    for (; n > 0; n--) {
        scale *= 10;
    }
    return scale;
}

static bool parse_scaled(const char *text, uint64_t *mantissa, int *power)
{
    *mantissa = 0;
    *power = 0;
    text = parse_mantissa(text, mantissa, power);
    if (text && (*text == 'e' || *text == 'E')) {
        text = parse_exponent(text + 1, power);
    }
    return text && !*text;
}

static double scale_decimal(uint64_t mantissa, int power)
{
    return power < 0 ? (double)mantissa / power_of_ten(-power) : (double)mantissa * power_of_ten(power);
}

bool kg_parse_decimal(const char *text, float *value)
{
    uint64_t mantissa;
    int power;
    if (!parse_scaled(text, &mantissa, &power) || power > KG_DECIMAL_POWER || power < -KG_DECIMAL_POWER) {
        return false;
    }
    *value = (float)scale_decimal(mantissa, power);
    return true;
}

bool kg_parse_double(const char *text, double *value)
{
    uint64_t mantissa;
    int power;
    if (!parse_scaled(text, &mantissa, &power) || mantissa >= KG_EXACT_MANTISSA || power > KG_EXACT_POWER ||
        power < -KG_EXACT_POWER) {
        return false;
    }
    *value = scale_decimal(mantissa, power);
    return true;
}
