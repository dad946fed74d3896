/* Reader for JSON (RFC 8259). One pass turns a text into a table of values, without recursion: each value knows where
 * the value behind it stands, so lists and objects are walked by indexes. Strings are decoded in place. Refused are
 * texts that are not UTF-8, lone surrogates, values nested deeper than KG_JSON_DEPTH, and more values than the table
 * has room for. */
#ifndef KGPT_JSON_READ_H
#define KGPT_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/str.h"

#define KG_JSON_DEPTH 64u
#define KG_JSON_NONE UINT32_MAX /* no value */

enum kg_json_kind {
    KG_JSON_NULL,
    KG_JSON_FALSE,
    KG_JSON_TRUE,
    KG_JSON_NUMBER,
    KG_JSON_STRING,
    KG_JSON_LIST,
    KG_JSON_OBJECT, /* holds its members as pairs: a string, then a value */
};

struct kg_json_value {
    uint32_t at, n; /* its bytes in the text: of a string what it says, of a list or an object all of it */
    uint32_t next;  /* index of the value behind this one and all that it holds */
    enum kg_json_kind kind;
};

struct kg_json_tree {
    char *text;
    struct kg_json_value *values; /* (n): the first one is the whole text */
    uint32_t n, room;
    const char *problem; /* why the text is refused, and at which byte */
    size_t problem_at;
};

/* Reads `n` bytes (below 4 GiB) into tree->values, which the caller gives with their room. False: refused. */
bool kg_json_read(struct kg_json_tree *tree, char *text, size_t n);

/* KG_JSON_NULL for KG_JSON_NONE, too. */
enum kg_json_kind kg_json_kind(const struct kg_json_tree *tree, uint32_t value);

/* The first value in a list or object, and the one behind `value` there; KG_JSON_NONE: there is none. In an object
 * they are keys and values in turn. */
uint32_t kg_json_first(const struct kg_json_tree *tree, uint32_t parent);
uint32_t kg_json_after(const struct kg_json_tree *tree, uint32_t parent, uint32_t value);
/* The same in one call: behind KG_JSON_NONE comes the first one. */
uint32_t kg_json_next(const struct kg_json_tree *tree, uint32_t parent, uint32_t value);

/* The value of the last member of this name, or KG_JSON_NONE; of what is no object too. */
uint32_t kg_json_member(const struct kg_json_tree *tree, uint32_t object, const char *name);

/* The text of a string. It is not ended by NUL, and may hold one. */
struct kg_text kg_json_string(const struct kg_json_tree *tree, uint32_t value);
bool kg_json_says(const struct kg_json_tree *tree, uint32_t value, const char *text); /* a string of this text */

/* The value of a number: the nearest double if it is a whole number below 2^64, or has at most 15 digits and a
 * magnitude from 1e-22 to 1e22; otherwise within 1e-14 of it, relatively. */
double kg_json_number(const struct kg_json_tree *tree, uint32_t value);

/* True if the number is written without a fraction and an exponent, and fits: the magnitude and the sign. */
bool kg_json_whole(const struct kg_json_tree *tree, uint32_t value, uint64_t *magnitude, bool *negative);

#endif
