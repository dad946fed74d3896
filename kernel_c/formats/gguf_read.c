/* Parses values of a GGUF header: see gguf_read.h. Every value is checked here, so later readers need no checks. */
#include "gguf_read.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/utf8.h"

#define QUOTED_BYTES 64 /* longer names are truncated */

const char *kg_gguf_quote(char out[KG_QUOTE_MAX], struct kg_text text)
{
    size_t n = text.n;
    if (n > QUOTED_BYTES) { /* truncate at a character boundary */
        n = QUOTED_BYTES;
        while (n > 0 && (text.data[n] & 0xC0) == 0x80) {
            n--;
        }
    }
    kg_format(out, KG_QUOTE_MAX, "\"%.*s%s\"", (int)n, text.data, n < text.n ? "…" : "");
    return out;
}

enum kg_status kg_gguf_damaged(struct kg_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    kg_error_vset(error, KG_E_INPUT, format, arguments);
    va_end(arguments);
    kg_error_hint(error, "%s", KG_GGUF_DAMAGED);
    return KG_E_INPUT;
}

#define PLACE_MAX (KG_QUOTE_MAX + 80)

/* Describes the value being parsed. */
static const char *place_of_value(const struct kg_gguf_reader *reader, char out[PLACE_MAX])
{
    char name[KG_QUOTE_MAX];
    size_t n = 0;
    if (reader->item != KG_GGUF_NO_ITEM) {
        n = kg_format(out, PLACE_MAX, "item %lu of ", (unsigned long)reader->item);
    }
    n += kg_format(out + n, PLACE_MAX - n, "%s", reader->what);
    if (reader->name.data) {
        kg_format(out + n, PLACE_MAX - n, " %s", kg_gguf_quote(name, reader->name));
    }
    return out;
}

static enum kg_status refuse_truncated(const struct kg_gguf_reader *reader, uint64_t needed)
{
    char where[PLACE_MAX];
    const struct kg_cursor *cursor = &reader->cursor;
    return kg_gguf_damaged(reader->error, "truncated in %s at byte %lu: %lu bytes needed, %lu left",
                           place_of_value(reader, where), (unsigned long)cursor->at, (unsigned long)needed,
                           (unsigned long)kg_cursor_left(cursor));
}

enum kg_status kg_gguf_take(struct kg_gguf_reader *reader, uint64_t n, const uint8_t **data)
{
    *data = kg_cursor_take(&reader->cursor, n);
    return *data ? KG_OK : refuse_truncated(reader, n);
}

enum kg_status kg_gguf_take_u32(struct kg_gguf_reader *reader, uint32_t *value)
{
    const uint8_t *data = kg_cursor_take(&reader->cursor, sizeof *value);
    if (!data) {
        return refuse_truncated(reader, sizeof *value);
    }
    *value = kg_load_u32(data);
    return KG_OK;
}

enum kg_status kg_gguf_take_u64(struct kg_gguf_reader *reader, uint64_t *value)
{
    const uint8_t *data = kg_cursor_take(&reader->cursor, sizeof *value);
    if (!data) {
        return refuse_truncated(reader, sizeof *value);
    }
    *value = kg_load_u64(data);
    return KG_OK;
}

/* Most strings are short and ASCII, so eight bytes are tested at a time. */
static bool is_utf8(const uint8_t *data, uint64_t n)
{
    uint64_t at = 0;
    while (at < n) {
        if (n - at >= 8 && !(kg_load_u64(data + at) & 0x8080808080808080u)) {
            at += 8;
        } else if (data[at] < 0x80) {
            at++;
        } else {
            size_t length = kg_utf8_length((const char *)data + at, n - at);
            if (!length) {
                return false;
            }
            at += length;
        }
    }
    return true;
}

enum kg_status kg_gguf_take_text(struct kg_gguf_reader *reader, struct kg_text *text)
{
    uint64_t n = 0;
    const uint8_t *data;
    enum kg_status status = kg_gguf_take_u64(reader, &n);
    if (status == KG_OK) {
        status = kg_gguf_take(reader, n, &data);
    }
    if (status != KG_OK) {
        return status;
    }
    if (!is_utf8(data, n)) {
        char where[PLACE_MAX];
        return kg_gguf_damaged(reader->error, "%s before byte %lu is not UTF-8", place_of_value(reader, where),
                               (unsigned long)reader->cursor.at);
    }
    *text = (struct kg_text){.data = (const char *)data, .n = n};
    return KG_OK;
}

enum kg_status kg_gguf_take_name(struct kg_gguf_reader *reader, const char *what, uint64_t most, struct kg_text *name)
{
    reader->what = what;
    reader->name = (struct kg_text){NULL, 0};
    enum kg_status status = kg_gguf_take_text(reader, name);
    if (status != KG_OK) {
        return status;
    }
    if (name->n == 0 || name->n > most) {
        return kg_gguf_damaged(reader->error, "%s before byte %lu has %lu bytes, not 1 to %lu", what,
                               (unsigned long)reader->cursor.at, (unsigned long)name->n, (unsigned long)most);
    }
    return KG_OK;
}

uint32_t kg_gguf_kind_size(uint32_t kind)
{
    switch (kind) {
    case KG_GGUF_U8:
    case KG_GGUF_I8:
    case KG_GGUF_BOOL: return 1;
    case KG_GGUF_U16:
    case KG_GGUF_I16: return 2;
    case KG_GGUF_U32:
    case KG_GGUF_I32:
    case KG_GGUF_F32: return 4;
    case KG_GGUF_U64:
    case KG_GGUF_I64:
    case KG_GGUF_F64: return 8;
    default: return 0;
    }
}

static enum kg_status check_bools(const struct kg_gguf_reader *reader, const uint8_t *data, uint64_t n)
{
    char where[PLACE_MAX];
    for (uint64_t i = 0; i < n; i++) {
        if (data[i] > 1) {
            return kg_gguf_damaged(reader->error, "%s holds a bool of %u, not 0 or 1", place_of_value(reader, where),
                                   data[i]);
        }
    }
    return KG_OK;
}

/* Checks the items of an array of numbers or bools. */
static enum kg_status take_number_array(struct kg_gguf_reader *reader, uint32_t kind, uint64_t n)
{
    char where[PLACE_MAX];
    uint32_t size = kg_gguf_kind_size(kind);
    uint64_t left = kg_cursor_left(&reader->cursor);
    if (n > left / size) {
        return kg_gguf_damaged(reader->error,
                               "truncated in %s at byte %lu: %lu items of %u bytes needed, %lu bytes left",
                               place_of_value(reader, where), (unsigned long)reader->cursor.at, (unsigned long)n, size,
                               (unsigned long)left);
    }
    const uint8_t *data = kg_cursor_take(&reader->cursor, n * size);
    return kind == KG_GGUF_BOOL ? check_bools(reader, data, n) : KG_OK;
}

static enum kg_status take_strings(struct kg_gguf_reader *reader, uint64_t n)
{
    enum kg_status status = KG_OK;
    struct kg_text text;
    for (uint64_t i = 0; i < n && status == KG_OK;
         i++) { /* a false count ends with the file: each takes 8 bytes at least */
        reader->item = i;
        status = kg_gguf_take_text(reader, &text);
    }
    reader->item = KG_GGUF_NO_ITEM;
    return status;
}

static enum kg_status take_array(struct kg_gguf_reader *reader, struct kg_gguf_value *value)
{
    char where[PLACE_MAX];
    enum kg_status status = kg_gguf_take_u32(reader, &value->item_kind);
    if (status == KG_OK) {
        status = kg_gguf_take_u64(reader, &value->n);
    }
    if (status != KG_OK) {
        return status;
    }
    value->data = reader->cursor.data + reader->cursor.at;
    if (value->item_kind == KG_GGUF_STRING) {
        return take_strings(reader, value->n);
    }
    if (!kg_gguf_kind_size(value->item_kind)) {
        return kg_gguf_damaged(reader->error, "%s is an array of the %s kind %u", place_of_value(reader, where),
                               value->item_kind == KG_GGUF_ARRAY ? "unsupported" : "unknown", value->item_kind);
    }
    return take_number_array(reader, value->item_kind, value->n);
}

enum kg_status kg_gguf_take_value(struct kg_gguf_reader *reader, struct kg_gguf_value *value)
{
    char where[PLACE_MAX];
    struct kg_text text;
    *value = (struct kg_gguf_value){0};
    enum kg_status status = kg_gguf_take_u32(reader, &value->kind);
    if (status != KG_OK) {
        return status;
    }
    value->data = reader->cursor.data + reader->cursor.at;
    if (value->kind == KG_GGUF_STRING) {
        return kg_gguf_take_text(reader, &text);
    }
    if (value->kind == KG_GGUF_ARRAY) {
        return take_array(reader, value);
    }
    uint32_t size = kg_gguf_kind_size(value->kind);
    if (!size) {
        return kg_gguf_damaged(reader->error, "%s has the unknown kind %u", place_of_value(reader, where), value->kind);
    }
    status = kg_gguf_take(reader, size, &value->data);
    return status == KG_OK && value->kind == KG_GGUF_BOOL ? check_bools(reader, value->data, 1) : status;
}

enum kg_status kg_gguf_memory(struct kg_arena *arena, uint64_t bytes, void **memory, struct kg_error *error)
{
    *memory = kg_arena_take(arena, bytes);
    if (!*memory) {
        kg_error_set(error, KG_E_MEMORY, "too little memory for the tables of a GGUF file: %lu bytes needed",
                     (unsigned long)bytes);
        kg_error_hint(error, "give the machine more memory");
        return KG_E_MEMORY;
    }
    return KG_OK;
}
