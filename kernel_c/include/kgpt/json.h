/* One JSON object on one line, written into a bounded buffer. */
#ifndef KGPT_JSON_H
#define KGPT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kg_json {
    char *out;
    size_t size;
    size_t n;
    bool comma;    /* the next value needs one before it */
    bool overflow; /* something did not fit: kg_json_end returns 0 */
};

void kg_json_begin(struct kg_json *json, char *out, size_t size, const char *event);
void kg_json_text(struct kg_json *json, const char *key, const char *text);
void kg_json_text_n(struct kg_json *json, const char *key, const char *text, size_t n);
void kg_json_u64(struct kg_json *json, const char *key, uint64_t value);
void kg_json_i64(struct kg_json *json, const char *key, int64_t value);
void kg_json_bool(struct kg_json *json, const char *key, bool value);
void kg_json_decimal(struct kg_json *json, const char *key, float value);    /* exactly; an infinity as ±1.0e999 */
void kg_json_double(struct kg_json *json, const char *key, double value);    /* with 9 decimals; null if not finite */
void kg_json_address(struct kg_json *json, const char *key, uint64_t value); /* "0x…" */
void kg_json_hex(struct kg_json *json, const char *key, const void *bytes, size_t n);

/* Nested values. In a list `key` is NULL for every value. */
void kg_json_list_begin(struct kg_json *json, const char *key);
void kg_json_list_end(struct kg_json *json);
void kg_json_object_begin(struct kg_json *json, const char *key);
void kg_json_object_end(struct kg_json *json);

/* Closes the object and ends the line; returns its length with the "\n", 0 if it did not fit. */
size_t kg_json_end(struct kg_json *json);

/* The most bytes that n bytes of text can take once escaped. */
static inline size_t kg_json_escaped(size_t n)
{
    return 6 * n;
}

#endif
