/* Parses the header of a GGUF file: see kgpt/gguf.h. gguf_read.c parses values, gguf_tensors.c tensors, gguf_index.c
 * sorts names, gguf_values.c looks up fields. */
#include "kgpt/gguf.h"

#include "gguf_read.h"
#include "kgpt/mem.h"

#define DEFAULT_ALIGNMENT 32
#define MAX_ALIGNMENT 65536u

/* Smallest sizes: a field is a key of one byte, its kind, a value of one byte; a tensor has one dimension. */
#define LEAST_FIELD (8 + 1 + 4 + 1)
#define LEAST_TENSOR (8 + 1 + 4 + 8 + 4 + 8)

static enum kg_status check_magic(struct kg_gguf_reader *reader)
{
    const uint8_t *magic;
    if (!reader->cursor.size) {
        kg_error_set(reader->error, KG_E_INPUT, "the file is empty");
        kg_error_hint(reader->error, "give a .gguf file");
        return KG_E_INPUT;
    }
    reader->what = "the magic";
    enum kg_status status = kg_gguf_take(reader, 4, &magic);
    if (status != KG_OK || !memcmp(magic, "GGUF", 4)) {
        return status;
    }
    kg_error_set(reader->error, KG_E_INPUT,
                 "not a GGUF file: it begins with the bytes %02x %02x %02x %02x, not \"GGUF\"", magic[0], magic[1],
                 magic[2], magic[3]);
    kg_error_hint(reader->error, "give a .gguf file");
    return KG_E_INPUT;
}

static enum kg_status check_version(struct kg_gguf_reader *reader, uint32_t *version)
{
    reader->what = "the version";
    enum kg_status status = kg_gguf_take_u32(reader, version);
    if (status != KG_OK || *version == 2 || *version == 3) {
        return status;
    }
    if (*version && !(*version & 0xFFFF)) {
        kg_error_set(reader->error, KG_E_INPUT, "the file is big-endian");
    } else {
        kg_error_set(reader->error, KG_E_INPUT, "GGUF version %u is not supported", *version);
    }
    kg_error_hint(reader->error, "supported: version 2 and 3, little-endian; convert the model anew");
    return KG_E_INPUT;
}

/* Reads a count of things that take at least `least` bytes each, so that the file size bounds it. */
static enum kg_status take_count(struct kg_gguf_reader *reader, const char *what, const char *things, uint32_t most,
                                 uint32_t least, uint32_t *count)
{
    uint64_t claimed;
    reader->what = what;
    enum kg_status status = kg_gguf_take_u64(reader, &claimed);
    if (status != KG_OK) {
        return status;
    }
    if (claimed > reader->cursor.size / least) {
        return kg_gguf_damaged(reader->error, "the header claims %lu %s, which a file of %lu bytes cannot hold",
                               (unsigned long)claimed, things, (unsigned long)reader->cursor.size);
    }
    if (claimed > most) {
        return kg_gguf_damaged(reader->error, "the header claims %lu %s, more than %u", (unsigned long)claimed, things,
                               most);
    }
    *count = (uint32_t)claimed;
    return KG_OK;
}

static enum kg_status take_header(struct kg_gguf_reader *reader, struct kg_gguf *gguf)
{
    enum kg_status status = check_magic(reader);
    if (status == KG_OK) {
        status = check_version(reader, &gguf->version);
    }
    if (status == KG_OK) {
        status =
            take_count(reader, "the number of tensors", "tensors", KG_GGUF_MAX_TENSORS, LEAST_TENSOR, &gguf->n_tensors);
    }
    if (status == KG_OK) {
        status = take_count(reader, "the number of fields", "fields", KG_GGUF_MAX_FIELDS, LEAST_FIELD, &gguf->n_fields);
    }
    return status;
}

static enum kg_status take_fields(struct kg_gguf_reader *reader, struct kg_gguf *gguf, struct kg_arena *arena)
{
    void *memory;
    enum kg_status status = kg_gguf_memory(arena, gguf->n_fields * sizeof gguf->fields[0], &memory, reader->error);
    gguf->fields = memory;
    for (uint32_t i = 0; i < gguf->n_fields && status == KG_OK; i++) {
        struct kg_gguf_field *field = &gguf->fields[i];
        status = kg_gguf_take_name(reader, "a field name", KG_GGUF_MAX_KEY, &field->key);
        if (status == KG_OK) {
            reader->what = "the value of";
            reader->name = field->key;
            status = kg_gguf_take_value(reader, &field->value);
        }
    }
    return status == KG_OK ? kg_gguf_index_fields(gguf, arena, reader->error) : status;
}

static enum kg_status read_alignment(struct kg_gguf *gguf, struct kg_error *error)
{
    const struct kg_gguf_value *value = kg_gguf_find(gguf, "general.alignment");
    gguf->alignment = DEFAULT_ALIGNMENT;
    if (!value) {
        return KG_OK;
    }
    if (value->kind != KG_GGUF_U32) {
        return kg_gguf_damaged(error, "general.alignment is not a u32");
    }
    uint32_t alignment = kg_load_u32(value->data);
    if (alignment < 8 || alignment > MAX_ALIGNMENT || (alignment & (alignment - 1))) {
        kg_error_set(error, KG_E_INPUT, "general.alignment is %u, not a power of two from 8 to %u", alignment,
                     MAX_ALIGNMENT);
        kg_error_hint(error,
                      "the file is damaged, or made by something else: write it again with general.alignment 32");
        return KG_E_INPUT;
    }
    gguf->alignment = alignment;
    return KG_OK;
}

enum kg_status kg_gguf_open(struct kg_gguf *gguf, const void *data, uint64_t size, struct kg_arena *arena,
                            struct kg_error *error)
{
    struct kg_gguf_reader reader = {
        .cursor = {.data = data, .size = size},
        .error = error,
        .item = KG_GGUF_NO_ITEM,
    };
    *gguf = (struct kg_gguf){.base = data, .size = size};
    enum kg_status status = take_header(&reader, gguf);
    if (status == KG_OK) {
        status = take_fields(&reader, gguf, arena);
    }
    if (status == KG_OK) {
        status = read_alignment(gguf, error);
    }
    return status == KG_OK ? kg_gguf_take_tensors(&reader, gguf, arena) : status;
}
