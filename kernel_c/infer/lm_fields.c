/* Reads hyperparameters by the rows of fields.def: see lm_fields.h. */
#include "lm_fields.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"

#define KEY_MAX 96

/* What every row needs of one file and its architecture. `status` keeps the first refusal. */
struct reader {
    const struct kg_gguf *gguf;
    const char *arch;
    struct kg_error *error;
    enum kg_status status;
    char key[KEY_MAX];
    const struct kg_gguf_value *value; /* the field under `key`; NULL: the file has none */
};

/* `size`: the field is a size that the file has, and `value` says it. */
static void refuse_field(struct reader *r, const char *key, bool size, int64_t value, const char *words)
{
    char number[32] = "";
    if (r->status == KG_OK) {
        if (size) {
            kg_format(number, sizeof number, " (%ld)", (long)value);
        }
        r->status = kg_error_set(r->error, KG_E_INPUT, "the field \"%s.%s\"%s %s", r->arch, key, number, words);
    }
}

/* Makes the field of this key the current one. */
static bool find_field(struct reader *r, const char *key)
{
    kg_format(r->key, sizeof r->key, "%s.%s", r->arch, key);
    r->value = r->status == KG_OK ? kg_gguf_find(r->gguf, r->key) : NULL;
    return r->value != NULL;
}

static int64_t refuse_missing(struct reader *r)
{
    if (r->status == KG_OK) {
        r->status = kg_error_set(r->error, KG_E_INPUT, "the field \"%s\" is missing", r->key);
    }
    return 1;
}

/* The current field. A refused one becomes `least`, so that rows below may divide by it. */
static int64_t read_size(struct reader *r, int64_t least, int64_t most)
{
    uint32_t size = 0;
    r->status = kg_gguf_to_u32(r->key, r->value, &size, r->error);
    if (r->status == KG_OK && (size < least || size > most)) {
        r->status = kg_error_set(r->error, KG_E_INPUT, "the field \"%s\" is %u, not %ld to %ld", r->key, size,
                                 (long)least, (long)most);
    }
    return r->status == KG_OK ? size : least;
}

/* The same, or an array of equal sizes, one for each of the layers. */
static int64_t read_equal_sizes(struct reader *r, int64_t layers, int64_t least, int64_t most)
{
    struct kg_gguf_value item;
    if (r->value->kind == KG_GGUF_ARRAY) {
        r->status = kg_gguf_uniform(r->key, r->value, (uint64_t)layers, &item, r->error);
        r->value = &item;
    }
    return r->status == KG_OK ? read_size(r, least, most) : least;
}

static bool flag_at(const struct kg_gguf_value *flags, int64_t i)
{
    return flags->item_kind == KG_GGUF_BOOL ? flags->data[i] != 0 : kg_gguf_u32_at(flags, (uint64_t)i) != 0;
}

/* A size, or a list of flags, one for each layer, that stands for a size. */
static int64_t read_pattern(struct reader *r, int64_t layers, int64_t least, int64_t most)
{
    const struct kg_gguf_value *flags = r->value;
    if (flags->kind != KG_GGUF_ARRAY) {
        return read_size(r, least, most);
    }
    bool are_flags =
        flags->item_kind == KG_GGUF_BOOL || flags->item_kind == KG_GGUF_U32 || flags->item_kind == KG_GGUF_I32;
    bool fits = are_flags && flags->n == (uint64_t)layers;
    for (int64_t pattern = 0; fits && pattern <= layers; pattern++) {
        int64_t i = 0;
        while (i < layers && flag_at(flags, i) == (!pattern || i % pattern < pattern - 1)) {
            i++;
        }
        if (i == layers) {
            return pattern;
        }
    }
    r->status =
        kg_error_set(r->error, KG_E_INPUT,
                     "the field \"%s\" is an array, but not of flags for all layers of which every Nth is off", r->key);
    return least;
}

static double read_number(struct reader *r, double least, double most)
{
    float number = 0;
    r->status = kg_gguf_to_f32(r->key, r->value, &number, r->error);
    if (r->status == KG_OK && !((double)number >= least && (double)number <= most)) {
        r->status = kg_error_set(r->error, KG_E_INPUT, "the field \"%s\" is %f, not %f to %f", r->key, (double)number,
                                 least, most);
    }
    return (double)number;
}

static double read_positive(struct reader *r)
{
    float number = 1;
    r->status = kg_gguf_to_f32(r->key, r->value, &number, r->error);
    if (r->status == KG_OK && !(number > 0)) {
        r->status =
            kg_error_set(r->error, KG_E_INPUT, "the field \"%s\" is %f, not a positive number", r->key, (double)number);
    }
    return (double)number;
}

static bool read_flag(struct reader *r)
{
    bool flag = false;
    r->status = kg_gguf_to_bool(r->key, r->value, &flag, r->error);
    return flag;
}

static int64_t read_text(struct reader *r)
{
    struct kg_text text;
    r->status = kg_gguf_text(r->gguf, r->key, &text, r->error);
    return 0;
}

static const char *const scalings[] = {
#define KG_SCALING(id, name) name,
#include "fields.def"
};

static int64_t read_scaling(struct reader *r)
{
    static const char list[] = ""
#define KG_SCALING(id, name) ", " name
#include "fields.def"
        ;
    struct kg_text text;
    r->status = kg_gguf_text(r->gguf, r->key, &text, r->error);
    for (uint32_t i = 0; r->status == KG_OK && i < sizeof scalings / sizeof *scalings; i++) {
        if (kg_strlen(scalings[i]) == text.n && memcmp(scalings[i], text.data, text.n) == 0) {
            return i;
        }
    }
    if (r->status == KG_OK) {
        r->status = kg_error_set(r->error, KG_E_INPUT, "the field \"%s\" is \"%.*s\", not one of %s", r->key,
                                 text.n < 64 ? (int)text.n : 64, text.data, list + 2);
    }
    return 0;
}

#define READ_SIZE(r, least, most) read_size(r, least, most)
#define READ_SIZES(r, least, most) read_equal_sizes(r, block_count, least, most)
#define READ_PATTERN(r, least, most) read_pattern(r, block_count, least, most)
#define READ_NUMBER(r, least, most) read_number(r, least, most)
#define READ_POSITIVE(r, least, most) read_positive(r)
#define READ_FLAG(r, least, most) read_flag(r)
#define READ_SCALING(r, least, most) read_scaling(r)
#define READ_TEXT(r, least, most) read_text(r)

static bool is_known(const char *key, size_t n)
{
    static const char *const keys[] = {
#define KG_FIELD(name, key, kind, least, most, otherwise) key,
#include "fields.def"
    };
    for (uint32_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (kg_strlen(keys[i]) == n && memcmp(keys[i], key, n) == 0) {
            return true;
        }
    }
    return false;
}

static void refuse_unknown_field(struct reader *r)
{
    size_t n = kg_strlen(r->arch);
    for (uint32_t i = 0; i < r->gguf->n_fields && r->status == KG_OK; i++) {
        const struct kg_text *key = &r->gguf->fields[i].key;
        if (key->n > n && memcmp(key->data, r->arch, n) == 0 && key->data[n] == '.' &&
            !is_known(key->data + n + 1, key->n - n - 1)) {
            int shown = key->n < KEY_MAX ? (int)key->n : KEY_MAX;
            r->status = kg_error_set(r->error, KG_E_INPUT, "the field \"%.*s\" is not supported", shown, key->data);
            kg_error_hint(r->error, "it may change what the model computes");
        }
    }
}

/* Every row in turn; `tensor_…` and `arch_…` are the names that fields.def knows besides those of its fields. */
static void read_rows(struct reader *r, const struct kg_lm_arch *arch, const struct kg_lm_tensor_facts *tensors,
                      struct kg_lm_fields *out)
{
    const int64_t tensor_layers = tensors->layers, arch_pattern = arch->pattern;
    const double arch_local_base = (double)arch->local_base;
    const bool tensor_rope_factors = tensors->rope_factors, arch_norm_layer = arch->norm == KG_NORM_LAYER,
               arch_rope = arch->rope != KG_ROPE_NONE, arch_window = arch->window, arch_parallel = arch->parallel;
#define SCALING_NONE KG_SCALING_NONE
#define SCALING_LINEAR KG_SCALING_LINEAR
#define SCALING_YARN KG_SCALING_YARN
#define SCALING_LONGROPE KG_SCALING_LONGROPE
#define NEEDED refuse_missing(r)
#define KG_FIELD(name, field_key, kind, least, most, otherwise)                                           \
    const bool given_##name = find_field(r, field_key);                                                   \
    const KG_TYPE_##kind name = given_##name ? READ_##kind(r, least, most) : (KG_TYPE_##kind)(otherwise); \
    enum { is_size_##name = KG_SIZE_##kind };                                                             \
    static const char key_of_##name[] = field_key;                                                        \
    out->name = name;                                                                                     \
    (void)given_##name;                                                                                   \
    (void)key_of_##name;
#define KG_VALUE(name, kind, value)      \
    const KG_TYPE_##kind name = (value); \
    out->name = name;
#define KG_RULE(condition, name, words)                                                                            \
    if (!(condition)) {                                                                                            \
        refuse_field(r, key_of_##name, given_##name && is_size_##name, is_size_##name ? (int64_t)name : 0, words); \
    }
#include "fields.def"
}

enum kg_status kg_lm_read_fields(struct kg_lm_fields *fields, const struct kg_gguf *gguf, const struct kg_lm_arch *arch,
                                 const struct kg_lm_tensor_facts *tensors, struct kg_error *error)
{
    struct reader r = {.gguf = gguf, .arch = arch->name, .error = error};
    refuse_unknown_field(&r);
    read_rows(&r, arch, tensors, fields);
    return r.status;
}
