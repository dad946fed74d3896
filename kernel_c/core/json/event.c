/* Writes events as rows describe them: see kgpt/event.h. */
#include "kgpt/event.h"

/* A row is the event's name, then for each key one character for its kind and the key's name, then an empty string.
 * Kinds in capitals occupy two words. '+' precedes keys that only kernels for language models send. */
#define KG_CODE_TEXT "t"
#define KG_CODE_UINT "u"
#define KG_CODE_COUNT "u"
#define KG_CODE_INT "i"
#define KG_CODE_BOOL "b"
#define KG_CODE_FLOAT "f"
#define KG_CODE_DECIMAL "f"
#define KG_CODE_DOUBLE "d"
#define KG_CODE_BITS "a"
#define KG_CODE_ADDRESS "a"
#define KG_CODE_STRING "S"
#define KG_CODE_HEX "H"
#define KG_CODE_F32 "W"
#define KG_CODE_U32 "W"
#define KG_CODE_TEXTS "T"
#define KG_CODE_UINTS "U"
#define KG_CODE_ADDRESSES "A"
#define KG_CODE_REGISTERS "R"
#define KG_CODE_OBJECTS "O"

#define KG_EVENT(name, class, help) const char kg_event_row_##name[] = #name "\0"
#define KG_KEY(kind, name, help) KG_CODE_##kind #name "\0"
#define KG_KEY_LM(kind, name, otherwise, help) "+" KG_CODE_##kind #name "\0"
#define KG_END() ;
#include "kgpt/events.def"

/* A word of a struct of kgpt/event.h. A BITS is read as the integer with the same bytes. */
union word {
    const char *text;
    uint64_t number;
    bool flag;
    float single;
    double real;
    size_t n;
    const void *data;
    const uint64_t *numbers;
    const char *const *texts;
    const struct kg_register *registers;
    void (*write)(struct kg_json *json, const void *context);
};

static void write_element(struct kg_json *json, char kind, const union word *list, size_t i)
{
    switch (kind) {
    case 'T': kg_json_text(json, NULL, list->texts[i]); return;
    case 'U': kg_json_u64(json, NULL, list->numbers[i]); return;
    case 'A': kg_json_address(json, NULL, list->numbers[i]); return;
    default: kg_json_address(json, list->registers[i].name, list->registers[i].value);
    }
}

static void write_list(struct kg_json *json, char kind, const char *key, const union word *list)
{
    bool named = kind == 'R';
    (named ? kg_json_object_begin : kg_json_list_begin)(json, key);
    if (kind == 'O') {
        list->write(json, list[1].data);
    } else {
        for (size_t i = 0; i < list[1].n; i++) {
            write_element(json, kind, list, i);
        }
    }
    (named ? kg_json_object_end : kg_json_list_end)(json);
}

static void write_value(struct kg_json *json, char kind, const char *key, const union word *value)
{
    switch (kind) {
    case 't': kg_json_text(json, key, value->text ? value->text : ""); return;
    case 'u': kg_json_u64(json, key, value->number); return;
    case 'i': kg_json_i64(json, key, (int64_t)value->number); return;
    case 'b': kg_json_bool(json, key, value->flag); return;
    case 'f': kg_json_decimal(json, key, value->single); return;
    case 'd': kg_json_double(json, key, value->real); return;
    case 'a': kg_json_address(json, key, value->number); return;
    case 'S': kg_json_text_n(json, key, value->text, value[1].n); return;
    case 'H': kg_json_hex(json, key, value->data, value[1].n); return;
    case 'W': kg_json_hex(json, key, value->data, 4 * value[1].n); return;
    default: write_list(json, kind, key, value);
    }
}

static void write_keys(struct kg_json *json, const char *row, bool all, const union word *value)
{
    for (row += kg_strlen(row) + 1; *row; row += kg_strlen(row) + 1) {
        bool sent = *row != '+' || all;
        row += *row == '+';
        if (sent) {
            write_value(json, *row, row + 1, value);
        }
        value += *row < 'a' ? 2 : 1;
    }
}

void kg_event_write(void (*write)(const char *bytes, size_t n), const char *row, bool all, const void *values)
{
    struct kg_json json;
    kg_json_begin(&json, write, row);
    write_keys(&json, row, all, values);
    kg_json_end(&json);
}

void kg_event_object(struct kg_json *json, const char *row, const void *values)
{
    kg_json_object_begin(json, NULL);
    write_keys(json, row, true, values);
    kg_json_object_end(json);
}
