/* Writer for JSON: one object on one line, or parts of a larger text. It writes in chunks, so the length is
 * unlimited. */
#ifndef KGPT_JSON_H
#define KGPT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kg_json {
    void (*write)(const char *bytes, size_t n);
    void (*pass)(struct kg_json *json); /* takes the chunk in place of `write`; NULL: `write` does */
    size_t n;                           /* bytes in `chunk` */
    bool comma;                         /* the next value needs a comma before it */
    char chunk[488];                    /* bytes not yet passed to `write` */
};

void kg_json_begin(struct kg_json *json, void (*write)(const char *bytes, size_t n), const char *event);
void kg_json_text(struct kg_json *json, const char *key, const char *text);
void kg_json_text_n(struct kg_json *json, const char *key, const char *text, size_t n);
void kg_json_u64(struct kg_json *json, const char *key, uint64_t value);
void kg_json_i64(struct kg_json *json, const char *key, int64_t value);
void kg_json_bool(struct kg_json *json, const char *key, bool value);
void kg_json_decimal(struct kg_json *json, const char *key, float value); /* exact; infinity is ±1.0e999 */
#define KG_JSON_DECIMAL 64u
size_t kg_json_decimal_text(char *out, size_t size, float value);            /* its digits: at most KG_JSON_DECIMAL */
void kg_json_double(struct kg_json *json, const char *key, double value);    /* 9 decimals; null if not finite */
void kg_json_address(struct kg_json *json, const char *key, uint64_t value); /* "0x…" */
void kg_json_hex(struct kg_json *json, const char *key, const void *bytes, size_t n);

void kg_json_null(struct kg_json *json, const char *key);

/* Bytes as they are, and the inside of a string: `n` bytes of whole characters, escaped. */
void kg_json_raw(struct kg_json *json, const char *text, size_t n);
void kg_json_escaped(struct kg_json *json, const char *text, size_t n);

/* Nested values. In a list, `key` is NULL. */
void kg_json_list_begin(struct kg_json *json, const char *key);
void kg_json_list_end(struct kg_json *json);
void kg_json_object_begin(struct kg_json *json, const char *key);
void kg_json_object_end(struct kg_json *json);

/* Closes the object, ends the line and flushes. */
void kg_json_end(struct kg_json *json);
void kg_json_flush(struct kg_json *json);

#endif
