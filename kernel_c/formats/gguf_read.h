/* What the parts of the GGUF reader share. kgpt_build/models/gguf/scan.py accepts and refuses the same files. */
#ifndef KGPT_FORMATS_GGUF_READ_H
#define KGPT_FORMATS_GGUF_READ_H

#include "cursor.h"
#include "kgpt/gguf.h"

#define KG_GGUF_MAX_FIELDS 65536u
#define KG_GGUF_MAX_TENSORS 65536u
#define KG_GGUF_MAX_KEY 65535u          /* bytes; of the specification */
#define KG_GGUF_MAX_NAME 64u            /* the same */
#define KG_GGUF_MAX_VALUES (1ull << 40) /* of a tensor: keeps every size far from overflow */
#define KG_GGUF_DAMAGED "the file is damaged or incomplete: copy or write it again"

#define KG_QUOTE_MAX 96 /* bytes of a quoted name, with its NUL */

/* A header that is being read. */
struct kg_gguf_reader {
    struct kg_cursor cursor;
    struct kg_error *error;
    const char *what;    /* is being read: "the number of fields" */
    struct kg_text name; /* to whom it belongs; no data: to nobody */
    uint64_t item;       /* of the array that is being read; KG_GGUF_NO_ITEM: it is none */
};
#define KG_GGUF_NO_ITEM UINT64_MAX

/* `text` in quotes, shortened. Returns `out`. */
const char *kg_gguf_quote(char out[KG_QUOTE_MAX], struct kg_text text);

/* KG_E_INPUT, with the hint that the file is damaged. */
enum kg_status kg_gguf_damaged(struct kg_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The next bytes or number of the header. A refusal names what is being read. */
enum kg_status kg_gguf_take(struct kg_gguf_reader *reader, uint64_t n, const uint8_t **data);
enum kg_status kg_gguf_take_u32(struct kg_gguf_reader *reader, uint32_t *value);
enum kg_status kg_gguf_take_u64(struct kg_gguf_reader *reader, uint64_t *value);

/* A string: its length and then as many bytes of UTF-8. */
enum kg_status kg_gguf_take_text(struct kg_gguf_reader *reader, struct kg_text *text);

/* A string of 1 to `most` bytes. */
enum kg_status kg_gguf_take_name(struct kg_gguf_reader *reader, const char *what, uint64_t most, struct kg_text *name);

/* The next value with its kind, checked to its last item. */
enum kg_status kg_gguf_take_value(struct kg_gguf_reader *reader, struct kg_gguf_value *value);

/* Bytes of a value of this kind; 0 for strings, arrays and what is no kind. */
uint32_t kg_gguf_kind_size(uint32_t kind);

/* The descriptions of the tensors, and where their data lies. */
enum kg_status kg_gguf_take_tensors(struct kg_gguf_reader *reader, struct kg_gguf *gguf, struct kg_arena *arena);

/* Sorts the fields by key, and refuses keys that come twice. The same for tensors and names. */
enum kg_status kg_gguf_index_fields(struct kg_gguf *gguf, struct kg_arena *arena, struct kg_error *error);
enum kg_status kg_gguf_index_tensors(struct kg_gguf *gguf, struct kg_arena *arena, struct kg_error *error);

/* Refuses tensors that share bytes. `order` (n_tensors) is overwritten. */
enum kg_status kg_gguf_check_overlaps(const struct kg_gguf *gguf, uint32_t *order, struct kg_error *error);

/* `bytes` of the arena, or KG_E_MEMORY. */
enum kg_status kg_gguf_memory(struct kg_arena *arena, uint64_t bytes, void **memory, struct kg_error *error);

#endif
