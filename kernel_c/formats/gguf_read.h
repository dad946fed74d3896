/* Shared by the parts of the GGUF parser. kgpt_build/models/gguf/scan.py accepts and refuses the same files. */
#ifndef KGPT_FORMATS_GGUF_READ_H
#define KGPT_FORMATS_GGUF_READ_H

#include "cursor.h"
#include "kgpt/gguf.h"

#define KG_GGUF_MAX_FIELDS 65536u
#define KG_GGUF_MAX_TENSORS 65536u
#define KG_GGUF_MAX_KEY 65535u          /* bytes; from the specification */
#define KG_GGUF_MAX_NAME 64u            /* bytes; from the specification */
#define KG_GGUF_MAX_VALUES (1ull << 40) /* of a tensor: keeps sizes far from overflow */
#define KG_GGUF_DAMAGED "the file is damaged or incomplete: copy or write it again"

#define KG_QUOTE_MAX 96 /* bytes of a quoted name, with its NUL */

/* State of the parser. */
struct kg_gguf_reader {
    struct kg_cursor cursor;
    struct kg_error *error;
    const char *what;    /* the value being parsed: "the number of fields" */
    struct kg_text name; /* the field or tensor that it belongs to; no data: none */
    uint64_t item;       /* index of the array item; KG_GGUF_NO_ITEM: not in an array */
};
#define KG_GGUF_NO_ITEM UINT64_MAX

/* Quotes `text`, truncated if it is long. Returns `out`. */
const char *kg_gguf_quote(char out[KG_QUOTE_MAX], struct kg_text text);

/* Sets an error with the hint that the file is damaged. Returns KG_E_INPUT. */
enum kg_status kg_gguf_damaged(struct kg_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Read the next bytes or number of the header. An error names the value being parsed. */
enum kg_status kg_gguf_take(struct kg_gguf_reader *reader, uint64_t n, const uint8_t **data);
enum kg_status kg_gguf_take_u32(struct kg_gguf_reader *reader, uint32_t *value);
enum kg_status kg_gguf_take_u64(struct kg_gguf_reader *reader, uint64_t *value);

/* Reads a string: its length, then UTF-8. */
enum kg_status kg_gguf_take_text(struct kg_gguf_reader *reader, struct kg_text *text);

/* Reads a string of 1 to `most` bytes. */
enum kg_status kg_gguf_take_name(struct kg_gguf_reader *reader, const char *what, uint64_t most, struct kg_text *name);

/* Reads a value with its kind and checks all of it. */
enum kg_status kg_gguf_take_value(struct kg_gguf_reader *reader, struct kg_gguf_value *value);

/* Bytes of a value of this kind; 0 for strings, arrays and unknown kinds. */
uint32_t kg_gguf_kind_size(uint32_t kind);

/* Reads the tensor descriptions and locates the data. */
enum kg_status kg_gguf_take_tensors(struct kg_gguf_reader *reader, struct kg_gguf *gguf, struct kg_arena *arena);

/* Sort fields by key, or tensors by name. Refuse duplicates. */
enum kg_status kg_gguf_index_fields(struct kg_gguf *gguf, struct kg_arena *arena, struct kg_error *error);
enum kg_status kg_gguf_index_tensors(struct kg_gguf *gguf, struct kg_arena *arena, struct kg_error *error);

/* Refuses tensors whose data overlap. `order` (n_tensors) is scratch. */
enum kg_status kg_gguf_check_overlaps(const struct kg_gguf *gguf, uint32_t *order, struct kg_error *error);

/* Allocates `bytes` from the arena, or returns KG_E_MEMORY. */
enum kg_status kg_gguf_memory(struct kg_arena *arena, uint64_t bytes, void **memory, struct kg_error *error);

#endif
