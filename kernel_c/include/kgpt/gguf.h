/* Reader for GGUF versions 2 and 3. It copies no data: values and tensors point into the file. Every value is
 * checked before its use; an error names the field or tensor that is wrong. */
#ifndef KGPT_GGUF_H
#define KGPT_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/error.h"
#include "kgpt/str.h"

enum kg_gguf_kind {
    KG_GGUF_U8,
    KG_GGUF_I8,
    KG_GGUF_U16,
    KG_GGUF_I16,
    KG_GGUF_U32,
    KG_GGUF_I32,
    KG_GGUF_F32,
    KG_GGUF_BOOL,
    KG_GGUF_STRING,
    KG_GGUF_ARRAY,
    KG_GGUF_U64,
    KG_GGUF_I64,
    KG_GGUF_F64,
};

/* A field, or one item of an array. */
struct kg_gguf_value {
    uint32_t kind;       /* enum kg_gguf_kind */
    uint32_t item_kind;  /* of the items of an array */
    uint64_t n;          /* items of an array */
    const uint8_t *data; /* the value; for an array, its first item */
};

struct kg_gguf_tensor {
    struct kg_text name;
    uint32_t type; /* GGML's type number: see kgpt/quant.h */
    uint32_t n_dims;
    uint64_t ne[4]; /* ne[0] is the row length; unused dimensions are 1 */
    const uint8_t *data;
    uint64_t size; /* bytes */
};

struct kg_gguf_field {
    struct kg_text key;
    struct kg_gguf_value value;
};

struct kg_gguf {
    const uint8_t *base;
    uint64_t size; /* bytes of the file */
    uint32_t version;
    uint32_t alignment;
    uint32_t n_fields, n_tensors;
    struct kg_gguf_field *fields;   /* (n_fields), in the file's order */
    struct kg_gguf_tensor *tensors; /* (n_tensors), in the file's order */
    const uint32_t *by_key;         /* (n_fields): indices sorted by key, for kg_gguf_find */
    const uint32_t *by_name;        /* (n_tensors): indices sorted by name, for kg_gguf_tensor */
    /* Set after kg_gguf_open: kg_lm_open calls it with the bytes of weights interleaved so far. NULL: nobody asks. */
    void (*interleaving)(void *context, uint64_t done);
    void *context;
};

/* What the first `n` bytes of a file tell: "llama Q4_K_M". Empty if they tell nothing, or are no GGUF file. */
void kg_gguf_peek(const void *bytes, size_t n, char *out, size_t size);

/* Reads and checks the whole header: magic, version, kinds, lengths, UTF-8, duplicate keys; tensors of unknown type,
 * impossible size, wrong alignment, outside the file, overlapping or duplicate. The tables come from `arena`, and
 * stay allocated if the file is refused. */
enum kg_status kg_gguf_open(struct kg_gguf *gguf, const void *data, uint64_t size, struct kg_arena *arena,
                            struct kg_error *error);

/* NULL if the field or tensor does not exist. */
const struct kg_gguf_value *kg_gguf_find(const struct kg_gguf *gguf, const char *key);
const struct kg_gguf_tensor *kg_gguf_tensor(const struct kg_gguf *gguf, const char *name);

/* Converts a value. u32 accepts any integer kind whose value fits, f32 any finite number. KG_E_INPUT names the field
 * and the problem. */
enum kg_status kg_gguf_to_u32(const char *key, const struct kg_gguf_value *value, uint32_t *out,
                              struct kg_error *error);
enum kg_status kg_gguf_to_f32(const char *key, const struct kg_gguf_value *value, float *out, struct kg_error *error);
enum kg_status kg_gguf_to_bool(const char *key, const struct kg_gguf_value *value, bool *out, struct kg_error *error);

/* The common item of an array of n >= 1 equal numbers or bools. KG_E_INPUT names the field. */
enum kg_status kg_gguf_uniform(const char *key, const struct kg_gguf_value *array, uint64_t n,
                               struct kg_gguf_value *item, struct kg_error *error);

/* Required fields. The kind must be able to represent the value. */
enum kg_status kg_gguf_u32(const struct kg_gguf *gguf, const char *key, uint32_t *value, struct kg_error *error);
enum kg_status kg_gguf_f32(const struct kg_gguf *gguf, const char *key, float *value, struct kg_error *error);
enum kg_status kg_gguf_bool(const struct kg_gguf *gguf, const char *key, bool *value, struct kg_error *error);
enum kg_status kg_gguf_text(const struct kg_gguf *gguf, const char *key, struct kg_text *value, struct kg_error *error);

/* Optional fields: *value is unchanged if the field is missing. */
enum kg_status kg_gguf_u32_or(const struct kg_gguf *gguf, const char *key, uint32_t *value, struct kg_error *error);
enum kg_status kg_gguf_f32_or(const struct kg_gguf *gguf, const char *key, float *value, struct kg_error *error);
enum kg_status kg_gguf_bool_or(const struct kg_gguf *gguf, const char *key, bool *value, struct kg_error *error);

/* A required array with items of `kind`. */
enum kg_status kg_gguf_array(const struct kg_gguf *gguf, const char *key, uint32_t kind, struct kg_gguf_value *value,
                             struct kg_error *error);

/* The next string of an array. Start with *cursor = array->data, and call it at most array->n times. */
struct kg_text kg_gguf_next_string(const uint8_t **cursor);

/* Item i of an array of U32 or I32 (as bits), or of F32. */
uint32_t kg_gguf_u32_at(const struct kg_gguf_value *array, uint64_t i);
float kg_gguf_f32_at(const struct kg_gguf_value *array, uint64_t i);

#endif
