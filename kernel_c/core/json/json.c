/* JSON writer: see kgpt/json.h. */
#include "kgpt/json.h"

#include "kgpt/format.h"
#include "kgpt/str.h"
#include "kgpt/utf8.h"

void kg_json_flush(struct kg_json *json)
{
    if (json->pass) {
        json->pass(json);
    } else {
        json->write(json->chunk, json->n);
    }
    json->n = 0;
}

void kg_json_raw(struct kg_json *json, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (json->n == sizeof json->chunk) {
            kg_json_flush(json);
        }
        json->chunk[json->n++] = text[i];
    }
}

void kg_json_escaped(struct kg_json *json, const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        char c = text[i];
        size_t length = kg_utf8_length(text + i, n - i);
        if (length == 0) { /* invalid UTF-8: U+FFFD replaces the byte, so the line stays valid */
            kg_json_raw(json, "\xEF\xBF\xBD", 3);
            i++;
            continue;
        }
        if (c == '"' || c == '\\') {
            kg_json_raw(json, "\\", 1);
        }
        if ((uint8_t)c < 0x20 || c == 0x7F) {
            char escape[8];
            kg_json_raw(json, escape, kg_format(escape, sizeof escape, "\\u%04x", (unsigned)c));
        } else {
            kg_json_raw(json, text + i, length);
        }
        i += length;
    }
}

static void append_key(struct kg_json *json, const char *key)
{
    if (json->comma) {
        kg_json_raw(json, ",", 1);
    }
    json->comma = true;
    if (key) {
        kg_json_raw(json, "\"", 1);
        kg_json_raw(json, key, kg_strlen(key));
        kg_json_raw(json, "\":", 2);
    }
}

static void open_bracket(struct kg_json *json, const char *key, const char *bracket)
{
    append_key(json, key);
    kg_json_raw(json, bracket, 1);
    json->comma = false;
}

static void close_bracket(struct kg_json *json, const char *bracket)
{
    kg_json_raw(json, bracket, 1);
    json->comma = true;
}

void kg_json_begin(struct kg_json *json, void (*write)(const char *bytes, size_t n), const char *event)
{
    json->write = write;
    json->pass = NULL;
    json->n = 0;
    json->comma = false;
    kg_json_raw(json, "{", 1);
    kg_json_text(json, "event", event);
}

void kg_json_text_n(struct kg_json *json, const char *key, const char *text, size_t n)
{
    append_key(json, key);
    kg_json_raw(json, "\"", 1);
    kg_json_escaped(json, text, n);
    kg_json_raw(json, "\"", 1);
}

void kg_json_text(struct kg_json *json, const char *key, const char *text)
{
    kg_json_text_n(json, key, text, kg_strlen(text));
}

void kg_json_u64(struct kg_json *json, const char *key, uint64_t value)
{
    char digits[24];
    append_key(json, key);
    kg_json_raw(json, digits, kg_format(digits, sizeof digits, "%lu", (unsigned long)value));
}

void kg_json_i64(struct kg_json *json, const char *key, int64_t value)
{
    char digits[24];
    append_key(json, key);
    kg_json_raw(json, digits, kg_format(digits, sizeof digits, "%ld", (long)value));
}

void kg_json_null(struct kg_json *json, const char *key)
{
    append_key(json, key);
    kg_json_raw(json, "null", 4);
}

void kg_json_bool(struct kg_json *json, const char *key, bool value)
{
    append_key(json, key);
    kg_json_raw(json, value ? "true" : "false", value ? 4 : 5);
}

/* `%.9f` without zeros at its end, but for one. */
static size_t put_double(char *digits, size_t size, double value)
{
    size_t n = kg_format(digits, size, "%.9f", value);
    while (n > 2 && digits[n - 1] == '0' && digits[n - 2] != '.') {
        n--;
    }
    return n;
}

void kg_json_double(struct kg_json *json, const char *key, double value)
{
    char digits[64];
    append_key(json, key);
    if (!(value - value == 0)) { /* JSON has no NaN and no infinity */
        kg_json_raw(json, "null", 4);
        return;
    }
    kg_json_raw(json, digits, put_double(digits, sizeof digits, value));
}

size_t kg_json_decimal_text(char *out, size_t size, float value)
{
    double scaled = (double)value;
    int power = 0;
    for (; scaled != 0 && scaled > -0.1 && scaled < 0.1; power--) {
        scaled *= 10;
    }
    for (; power < 60 && (scaled > 1e9 || scaled < -1e9); power++) {
        scaled /= 10;
    }
    size_t n = put_double(out, size, power < 60 ? scaled : value < 0 ? -1.0 : 1.0);
    return n + (power ? kg_format(out + n, size - n, "e%d", power < 60 ? power : 999) : 0);
}

void kg_json_decimal(struct kg_json *json, const char *key, float value)
{
    char digits[KG_JSON_DECIMAL];
    append_key(json, key);
    if (value != value) { /* JSON has no NaN */
        kg_json_raw(json, "null", 4);
    } else {
        kg_json_raw(json, digits, kg_json_decimal_text(digits, sizeof digits, value));
    }
}

void kg_json_address(struct kg_json *json, const char *key, uint64_t value)
{
    char digits[24];
    append_key(json, key);
    kg_json_raw(json, digits, kg_format(digits, sizeof digits, "\"0x%lx\"", (unsigned long)value));
}

void kg_json_hex(struct kg_json *json, const char *key, const void *bytes, size_t n)
{
    static const char symbols[] = "0123456789abcdef";
    const uint8_t *b = bytes;
    append_key(json, key);
    kg_json_raw(json, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        char pair[2] = {symbols[b[i] >> 4], symbols[b[i] & 15]};
        kg_json_raw(json, pair, 2);
    }
    kg_json_raw(json, "\"", 1);
}

void kg_json_list_begin(struct kg_json *json, const char *key)
{
    open_bracket(json, key, "[");
}

void kg_json_list_end(struct kg_json *json)
{
    close_bracket(json, "]");
}

void kg_json_object_begin(struct kg_json *json, const char *key)
{
    open_bracket(json, key, "{");
}

void kg_json_object_end(struct kg_json *json)
{
    close_bracket(json, "}");
}

void kg_json_end(struct kg_json *json)
{
    kg_json_raw(json, "}\n", 2);
    kg_json_flush(json);
}
