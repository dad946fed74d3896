/* What the first bytes of a GGUF file tell, before the file is read: see kgpt/gguf.h. */
#include "kgpt/gguf.h"

#include "cursor.h"
#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"

#define MOST_FIELDS 64u
#define TYPE_U32 4u
#define TYPE_STRING 8u
#define TYPE_ARRAY 9u

/* Of general.file_type, as llama.cpp numbers them (LlamaFileType). */
static const char *const file_type_names[] = {
    [0] = "F32",     [1] = "F16",     [2] = "Q4_0",    [3] = "Q4_1",    [7] = "Q8_0",
    [8] = "Q5_0",    [9] = "Q5_1",    [10] = "Q2_K",   [11] = "Q3_K_S", [12] = "Q3_K_M",
    [13] = "Q3_K_L", [14] = "Q4_K_S", [15] = "Q4_K_M", [16] = "Q5_K_S", [17] = "Q5_K_M",
    [18] = "Q6_K",   [25] = "IQ4_NL", [30] = "IQ4_XS", [32] = "BF16",
};

static uint64_t peek_u64(const uint8_t *data)
{
    return kg_load_u32(data) | (uint64_t)kg_load_u32(data + 4) << 32;
}

/* A string: its length, and its bytes. */
static const uint8_t *peek_string(struct kg_cursor *cursor, uint64_t *n)
{
    const uint8_t *length = kg_cursor_take(cursor, 8);
    *n = length ? peek_u64(length) : 0;
    return length ? kg_cursor_take(cursor, *n) : NULL;
}

static bool is_peeked_key(const uint8_t *key, uint64_t n, const char *wanted)
{
    return n == kg_strlen(wanted) && memcmp(key, wanted, (size_t)n) == 0;
}

/* Bytes of a value of this type; 0: a string, an array, or no type. */
static uint32_t size_of_value(uint32_t type)
{
    static const uint8_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return type < sizeof sizes ? sizes[type] : 0;
}

/* Reads one field. False: it is an array, or does not lie within the bytes. */
static bool peek_field(struct kg_cursor *cursor, struct kg_text *arch, const char **type_name)
{
    uint64_t n, length;
    const uint8_t *key = peek_string(cursor, &n), *type = key ? kg_cursor_take(cursor, 4) : NULL;
    uint32_t kind = type ? kg_load_u32(type) : TYPE_ARRAY;
    if (kind == TYPE_STRING) {
        const uint8_t *text = peek_string(cursor, &length);
        if (text && is_peeked_key(key, n, "general.architecture")) {
            *arch = (struct kg_text){(const char *)text, (size_t)length};
        }
        return text != NULL;
    }
    const uint8_t *value = size_of_value(kind) ? kg_cursor_take(cursor, size_of_value(kind)) : NULL;
    if (value && kind == TYPE_U32 && is_peeked_key(key, n, "general.file_type")) {
        uint32_t number = kg_load_u32(value);
        *type_name = number < sizeof file_type_names / sizeof file_type_names[0] ? file_type_names[number] : NULL;
    }
    return value != NULL;
}

void kg_gguf_peek(const void *bytes, size_t n, char *out, size_t size)
{
    struct kg_cursor cursor = {bytes, n, 0};
    const uint8_t *head = kg_cursor_take(&cursor, 24);
    struct kg_text arch = {"", 0};
    const char *type = NULL;
    out[0] = '\0';
    if (!head || memcmp(head, "GGUF", 4) != 0) {
        return;
    }
    uint64_t fields = peek_u64(head + 16);
    for (uint64_t i = 0; i < fields && i < MOST_FIELDS && peek_field(&cursor, &arch, &type); i++) {
    }
    kg_format(out, size, "%.*s%s%s", (int)(arch.n < 24 ? arch.n : 24), arch.data, arch.n && type ? " " : "",
              type ? type : "");
}
