/* Looks up fields and converts them: see kgpt/gguf.h. The parser has already checked every value. */
#include "gguf_read.h"
#include "kgpt/mem.h"

static const char *const kind_names[] = {
    [KG_GGUF_U8] = "a u8",         [KG_GGUF_I8] = "an i8",       [KG_GGUF_U16] = "a u16",  [KG_GGUF_I16] = "an i16",
    [KG_GGUF_U32] = "a u32",       [KG_GGUF_I32] = "an i32",     [KG_GGUF_F32] = "an f32", [KG_GGUF_BOOL] = "a bool",
    [KG_GGUF_STRING] = "a string", [KG_GGUF_ARRAY] = "an array", [KG_GGUF_U64] = "a u64",  [KG_GGUF_I64] = "an i64",
    [KG_GGUF_F64] = "an f64",
};

/* Plural names of the kinds, for the items of an array. */
static const char *kind_plural(uint32_t kind)
{
    static const char *const names[] = {
        [KG_GGUF_U8] = "u8",          [KG_GGUF_I8] = "i8",        [KG_GGUF_U16] = "u16", [KG_GGUF_I16] = "i16",
        [KG_GGUF_U32] = "u32",        [KG_GGUF_I32] = "i32",      [KG_GGUF_F32] = "f32", [KG_GGUF_BOOL] = "bools",
        [KG_GGUF_STRING] = "strings", [KG_GGUF_ARRAY] = "arrays", [KG_GGUF_U64] = "u64", [KG_GGUF_I64] = "i64",
        [KG_GGUF_F64] = "f64",
    };
    return names[kind];
}

static enum kg_status refuse_kind(struct kg_error *error)
{
    kg_error_hint(error, "convert the model anew, with a current converter");
    return KG_E_INPUT;
}

static enum kg_status refuse_missing_field(struct kg_error *error, const char *key)
{
    kg_error_set(error, KG_E_INPUT, "the field \"%s\" is missing", key);
    return refuse_kind(error);
}

static enum kg_status wrong_kind(struct kg_error *error, const char *key, const struct kg_gguf_value *value,
                                 const char *wanted)
{
    kg_error_set(error, KG_E_INPUT, "the field \"%s\" is %s, not %s", key, kind_names[value->kind], wanted);
    return refuse_kind(error);
}

/* Splits an integer into sign and magnitude. Returns false for other kinds. */
static bool read_integer(const struct kg_gguf_value *value, bool *negative, uint64_t *size)
{
    int64_t number;
    *negative = false;
    switch (value->kind) {
    case KG_GGUF_U8: *size = value->data[0]; return true;
    case KG_GGUF_U16: *size = (uint64_t)(value->data[0] | value->data[1] << 8); return true;
    case KG_GGUF_U32: *size = kg_load_u32(value->data); return true;
    case KG_GGUF_U64: *size = kg_load_u64(value->data); return true;
    case KG_GGUF_I8: number = (int8_t)value->data[0]; break;
    case KG_GGUF_I16: number = (int16_t)(value->data[0] | value->data[1] << 8); break;
    case KG_GGUF_I32: number = (int32_t)kg_load_u32(value->data); break;
    case KG_GGUF_I64: number = (int64_t)kg_load_u64(value->data); break;
    default: return false;
    }
    *negative = number < 0;
    *size = number < 0 ? -(uint64_t)number : (uint64_t)number;
    return true;
}

enum kg_status kg_gguf_to_u32(const char *key, const struct kg_gguf_value *value, uint32_t *out, struct kg_error *error)
{
    bool negative;
    uint64_t size;
    if (!read_integer(value, &negative, &size)) {
        return wrong_kind(error, key, value, "a whole number");
    }
    if (negative || size > UINT32_MAX) {
        kg_error_set(error, KG_E_INPUT, "the field \"%s\" is %s%lu, not from 0 to 2^32 - 1", key, negative ? "-" : "",
                     (unsigned long)size);
        return refuse_kind(error);
    }
    *out = (uint32_t)size;
    return KG_OK;
}

static float number_of_bits(uint32_t bits)
{
    float value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

static double double_of(uint64_t bits)
{
    double value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

enum kg_status kg_gguf_to_f32(const char *key, const struct kg_gguf_value *value, float *out, struct kg_error *error)
{
    double number;
    bool negative;
    uint64_t size;
    if (value->kind == KG_GGUF_F32) {
        number = (double)number_of_bits(kg_load_u32(value->data));
    } else if (value->kind == KG_GGUF_F64) {
        number = double_of(kg_load_u64(value->data));
    } else if (read_integer(value, &negative, &size)) {
        number = negative ? -(double)size : (double)size;
    } else {
        return wrong_kind(error, key, value, "a number");
    }
    if (!(number >= -3.4028234663852886e38 && number <= 3.4028234663852886e38)) { /* false for NaN too */
        kg_error_set(error, KG_E_INPUT, "the field \"%s\" is %f, not a finite f32", key, number);
        return refuse_kind(error);
    }
    *out = (float)number;
    return KG_OK;
}

enum kg_status kg_gguf_to_bool(const char *key, const struct kg_gguf_value *value, bool *out, struct kg_error *error)
{
    if (value->kind != KG_GGUF_BOOL) {
        return wrong_kind(error, key, value, "a bool");
    }
    *out = value->data[0];
    return KG_OK;
}

enum kg_status kg_gguf_uniform(const char *key, const struct kg_gguf_value *array, uint64_t n,
                               struct kg_gguf_value *item, struct kg_error *error)
{
    uint32_t size = kg_gguf_kind_size(array->item_kind);
    if (!size) {
        kg_error_set(error, KG_E_INPUT, "the field \"%s\" is an array of %s, not of numbers", key,
                     kind_plural(array->item_kind));
        return refuse_kind(error);
    }
    if (array->n != n) {
        kg_error_set(error, KG_E_INPUT, "the field \"%s\" is an array of %lu, but the model's layers are %lu", key,
                     (unsigned long)array->n, (unsigned long)n);
        return refuse_kind(error);
    }
    for (uint64_t i = 1; i < n; i++) {
        if (memcmp(array->data, array->data + i * size, size)) {
            kg_error_set(error, KG_E_INPUT, "the field \"%s\" differs from layer to layer", key);
            kg_error_hint(error, "such models are not supported");
            return KG_E_INPUT;
        }
    }
    *item = (struct kg_gguf_value){.kind = array->item_kind, .data = array->data};
    return KG_OK;
}

enum kg_status kg_gguf_u32(const struct kg_gguf *gguf, const char *key, uint32_t *value, struct kg_error *error)
{
    const struct kg_gguf_value *found = kg_gguf_find(gguf, key);
    return found ? kg_gguf_to_u32(key, found, value, error) : refuse_missing_field(error, key);
}

enum kg_status kg_gguf_f32(const struct kg_gguf *gguf, const char *key, float *value, struct kg_error *error)
{
    const struct kg_gguf_value *found = kg_gguf_find(gguf, key);
    return found ? kg_gguf_to_f32(key, found, value, error) : refuse_missing_field(error, key);
}

enum kg_status kg_gguf_bool(const struct kg_gguf *gguf, const char *key, bool *value, struct kg_error *error)
{
    const struct kg_gguf_value *found = kg_gguf_find(gguf, key);
    return found ? kg_gguf_to_bool(key, found, value, error) : refuse_missing_field(error, key);
}

enum kg_status kg_gguf_u32_or(const struct kg_gguf *gguf, const char *key, uint32_t *value, struct kg_error *error)
{
    const struct kg_gguf_value *found = kg_gguf_find(gguf, key);
    return found ? kg_gguf_to_u32(key, found, value, error) : KG_OK;
}

enum kg_status kg_gguf_f32_or(const struct kg_gguf *gguf, const char *key, float *value, struct kg_error *error)
{
    const struct kg_gguf_value *found = kg_gguf_find(gguf, key);
    return found ? kg_gguf_to_f32(key, found, value, error) : KG_OK;
}

enum kg_status kg_gguf_bool_or(const struct kg_gguf *gguf, const char *key, bool *value, struct kg_error *error)
{
    const struct kg_gguf_value *found = kg_gguf_find(gguf, key);
    return found ? kg_gguf_to_bool(key, found, value, error) : KG_OK;
}

enum kg_status kg_gguf_text(const struct kg_gguf *gguf, const char *key, struct kg_text *value, struct kg_error *error)
{
    const struct kg_gguf_value *found = kg_gguf_find(gguf, key);
    if (!found) {
        return refuse_missing_field(error, key);
    }
    if (found->kind != KG_GGUF_STRING) {
        return wrong_kind(error, key, found, "a string");
    }
    const uint8_t *cursor = found->data;
    *value = kg_gguf_next_string(&cursor);
    return KG_OK;
}

enum kg_status kg_gguf_array(const struct kg_gguf *gguf, const char *key, uint32_t kind, struct kg_gguf_value *value,
                             struct kg_error *error)
{
    const struct kg_gguf_value *found = kg_gguf_find(gguf, key);
    if (!found) {
        return refuse_missing_field(error, key);
    }
    if (found->kind != KG_GGUF_ARRAY) {
        return wrong_kind(error, key, found, "an array");
    }
    if (found->item_kind != kind) {
        kg_error_set(error, KG_E_INPUT, "the field \"%s\" is an array of %s, not of %s", key,
                     kind_plural(found->item_kind), kind_plural(kind));
        return refuse_kind(error);
    }
    *value = *found;
    return KG_OK;
}

struct kg_text kg_gguf_next_string(const uint8_t **cursor)
{
    struct kg_text text = {.data = (const char *)*cursor + 8, .n = kg_load_u64(*cursor)};
    *cursor += 8 + text.n;
    return text;
}

uint32_t kg_gguf_u32_at(const struct kg_gguf_value *array, uint64_t i)
{
    return kg_load_u32(array->data + 4 * i);
}

float kg_gguf_f32_at(const struct kg_gguf_value *array, uint64_t i)
{
    return number_of_bits(kg_load_u32(array->data + 4 * i));
}
