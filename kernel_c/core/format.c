/* printf into a bounded buffer: see kgpt/format.h for the supported conversions. */
#include "kgpt/format.h"

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/str.h"

#define KG_FORMAT_DECIMALS 9 /* of %f: they fit a 64-bit fraction */

struct kg_out {
    char *text;
    size_t size;
    size_t length; /* of the untruncated text */
};

/* One conversion, as parsed from the format. */
struct kg_conversion {
    bool left, zero, thousands;
    int width;     /* 0: none */
    int precision; /* -1: none */
    char size;     /* 0, 'h', 'H' (hh), 'l', 'z' */
    char type;
};

static void put_character(struct kg_out *out, char c)
{
    if (out->length + 1 < out->size) {
        out->text[out->length] = c;
    }
    out->length++;
}

static void put_times(struct kg_out *out, char c, int times)
{
    for (int i = 0; i < times; i++) {
        put_character(out, c);
    }
}

/* Writes `prefix` (a sign or 0x) and `n` digits, padded to the width. */
static void put_padded(struct kg_out *out, const struct kg_conversion *c, const char *prefix, const char *digits, int n)
{
    int prefix_n = (int)kg_strlen(prefix);
    int padding = c->width - n - prefix_n;
    bool zeros = c->zero && !c->left;
    if (!c->left && !zeros) {
        put_times(out, ' ', padding);
    }
    for (int i = 0; i < prefix_n; i++) {
        put_character(out, prefix[i]);
    }
    if (zeros) {
        put_times(out, '0', padding);
    }
    for (int i = 0; i < n; i++) {
        put_character(out, digits[i]);
    }
    if (c->left) {
        put_times(out, ' ', padding);
    }
}

/* Writes the digits of `value` backwards from `end`. Returns their start. */
static char *digits_before(char *end, uint64_t value, unsigned base, bool upper, bool thousands)
{
    const char *symbols = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    int written = 0;
    do {
        if (thousands && written && written % 3 == 0) {
            *--end = ',';
        }
        *--end = symbols[value % base];
        value /= base;
        written++;
    } while (value);
    return end;
}

static void put_integer(struct kg_out *out, const struct kg_conversion *c, uint64_t value, const char *prefix,
                        unsigned base)
{
    char buffer[80];
    char *end = buffer + sizeof buffer;
    char *start = digits_before(end, value, base, c->type == 'X', c->thousands);
    while (end - start < c->precision && start > buffer) { /* %.3d: at least three digits */
        *--start = '0';
    }
    put_padded(out, c, prefix, start, (int)(end - start));
}

/* Divides `value` by powers of ten until it is below 10^19, so that its integer part fits 64 bits. Returns the
 * exponent. */
static int scale_down(double *value)
{
    int exponent = 0;
    while (*value >= 1e19) {
        *value /= 10;
        exponent++;
    }
    return exponent;
}

static void put_float(struct kg_out *out, const struct kg_conversion *c, double value)
{
    const char *sign = value < 0 ? "-" : "";
    value = value < 0 ? -value : value;
    if (value != value || value > 1.7976931348623157e308) {
        struct kg_conversion plain = *c;
        plain.zero = false;
        put_padded(out, &plain, value != value ? "" : sign, value != value ? "nan" : "inf", 3);
        return;
    }
    int decimals = c->precision < 0 ? 6 : c->precision > KG_FORMAT_DECIMALS ? KG_FORMAT_DECIMALS : c->precision;
    int exponent = scale_down(&value);
    uint64_t scale = 1;
    for (int i = 0; i < decimals; i++) {
        scale *= 10;
    }
    uint64_t whole = (uint64_t)value;
    uint64_t fraction = (uint64_t)((value - (double)whole) * (double)scale + 0.5);
    if (fraction >= scale) { /* 0.9996 with three decimals rounds up to 1 */
        fraction -= scale;
        whole++;
    }
    char buffer[80];
    char *end = buffer + sizeof buffer;
    if (exponent) {
        end = digits_before(end, (uint64_t)exponent, 10, false, false);
        *--end = 'e';
    }
    char *start = end;
    if (decimals) {
        start = digits_before(end, fraction, 10, false, false);
        while (end - start < decimals) {
            *--start = '0';
        }
        *--start = '.';
    }
    start = digits_before(start, whole, 10, false, c->thousands);
    put_padded(out, c, sign, start, (int)(buffer + sizeof buffer - start));
}

static void put_string(struct kg_out *out, const struct kg_conversion *c, const char *s)
{
    struct kg_conversion plain = *c;
    plain.zero = false;
    s = s ? s : "(null)";
    int n = 0; /* the precision also bounds reading: the string may have no NUL */
    while ((c->precision < 0 || n < c->precision) && s[n]) {
        n++;
    }
    put_padded(out, &plain, "", s, n);
}

static const char *parse_width(const char *f, int *number, va_list *arguments)
{
    if (*f == '*') {
        *number = va_arg(*arguments, int);
        return f + 1;
    }
    int value = 0;
    for (; *f >= '0' && *f <= '9'; f++) {
        value = value < 100000 ? value * 10 + (*f - '0') : value;
    }
    *number = value;
    return f;
}

/* Parses the conversion after a '%'. Returns the character after it. */
static const char *parse_conversion(const char *f, struct kg_conversion *c, va_list *arguments)
{
    *c = (struct kg_conversion){.precision = -1};
    for (;; f++) {
        if (*f == '-') {
            c->left = true;
        } else if (*f == '0') {
            c->zero = true;
        } else if (*f == '\'') {
            c->thousands = true;
        } else {
            break;
        }
    }
    f = parse_width(f, &c->width, arguments);
    if (c->width < 0) { /* a negative * */
        c->left = true;
        c->width = -c->width;
    }
    if (*f == '.') {
        f = parse_width(f + 1, &c->precision, arguments);
    }
    for (; *f == 'h' || *f == 'l' || *f == 'z' || *f == 't' || *f == 'j'; f++) {
        c->size = *f == 'h' ? (c->size == 'h' ? 'H' : 'h') : 'l';
    }
    c->type = *f;
    return *f ? f + 1 : f;
}

static void put_signed(struct kg_out *out, const struct kg_conversion *c, va_list *arguments)
{
    int64_t value = c->size == 'l' ? va_arg(*arguments, int64_t) : va_arg(*arguments, int);
    if (c->size == 'h') {
        value = (int16_t)value;
    } else if (c->size == 'H') {
        value = (int8_t)value;
    }
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    put_integer(out, c, magnitude, value < 0 ? "-" : "", 10);
}

static void put_unsigned(struct kg_out *out, const struct kg_conversion *c, va_list *arguments)
{
    uint64_t value = c->size == 'l' ? va_arg(*arguments, uint64_t) : va_arg(*arguments, unsigned);
    if (c->size == 'h') {
        value = (uint16_t)value;
    } else if (c->size == 'H') {
        value = (uint8_t)value;
    }
    put_integer(out, c, value, "", c->type == 'u' ? 10 : 16);
}

static void put_conversion(struct kg_out *out, const struct kg_conversion *c, va_list *arguments)
{
    char character[2] = {0, 0};
    switch (c->type) {
    case 'd':
    case 'i': put_signed(out, c, arguments); return;
    case 'u':
    case 'x':
    case 'X': put_unsigned(out, c, arguments); return;
    case 'p': put_integer(out, c, (uint64_t)(uintptr_t)va_arg(*arguments, void *), "0x", 16); return;
    case 'f': put_float(out, c, va_arg(*arguments, double)); return;
    case 's': put_string(out, c, va_arg(*arguments, const char *)); return;
    case 'c':
        character[0] = (char)va_arg(*arguments, int);
        put_padded(out, c, "", character, 1);
        return;
    case '%': put_character(out, '%'); return;
    default: /* unsupported: print it, and consume no argument */
        put_character(out, '%');
        if (c->type) {
            put_character(out, c->type);
        }
    }
}

size_t kg_vformat(char *out, size_t size, const char *format, va_list arguments)
{
    struct kg_out sink = {.text = out, .size = size, .length = 0};
    va_list list;
    va_copy(list, arguments); /* a va_list parameter may have decayed from an array; a copy has an address */
    while (*format) {
        if (*format != '%') {
            put_character(&sink, *format++);
            continue;
        }
        struct kg_conversion conversion;
        format = parse_conversion(format + 1, &conversion, &list);
        put_conversion(&sink, &conversion, &list);
    }
    va_end(list);
    if (size) {
        out[kg_format_stored(sink.length, size)] = '\0';
    }
    return sink.length;
}

size_t kg_format(char *out, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t length = kg_vformat(out, size, format, arguments);
    va_end(arguments);
    return length;
}

const char *kg_plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}
