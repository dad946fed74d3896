/* Parses tensor descriptions. Shape, type, alignment and file size are checked against each other before use. */
#include "gguf_read.h"
#include "kgpt/format.h"
#include "kgpt/quant.h"

/* GGML's names of unsupported types, for error messages. */
static const struct {
    uint32_t type;
    const char *name;
} other_types[] = {
    {9, "Q8_1"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"},
    {21, "IQ3_S"}, {22, "IQ2_S"}, {24, "I8"},      {25, "I16"},    {26, "I32"},     {27, "I64"},
    {28, "F64"},   {29, "IQ1_M"}, {34, "TQ1_0"},   {35, "TQ2_0"},  {40, "NVFP4"},   {41, "Q1_0"},
};

static const char *other_type(uint32_t type, char out[16])
{
    for (size_t i = 0; i < sizeof other_types / sizeof other_types[0]; i++) {
        if (other_types[i].type == type) {
            return other_types[i].name;
        }
    }
    kg_format(out, 16, "%u", type);
    return out;
}

static enum kg_status unsupported_type(struct kg_error *error, const char *name, uint32_t type)
{
    char number[16], list[192];
    size_t n = 0;
    for (uint32_t i = 0; i < KG_N_TYPES; i++) {
        const struct kg_type_info *info = kg_type_info(i);
        if (info) {
            n += kg_format(list + n, sizeof list - n, "%s%s", n ? ", " : "", info->name);
        }
    }
    kg_error_set(error, KG_E_INPUT, "the tensor %s has the type %s, which is not supported", name,
                 other_type(type, number));
    kg_error_hint(error, "supported: %s", list);
    return KG_E_INPUT;
}

/* Number of values of a tensor; 0 if a dimension is 0 or the product is implausible. */
static uint64_t count_values(const struct kg_gguf_tensor *tensor)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < tensor->n_dims; i++) {
        if (!tensor->ne[i] || tensor->ne[i] > KG_GGUF_MAX_VALUES / n) {
            return 0;
        }
        n *= tensor->ne[i];
    }
    return n;
}

static void shape_text(const struct kg_gguf_tensor *tensor, char *out, size_t size)
{
    size_t n = 0;
    for (uint32_t i = 0; i < tensor->n_dims && n < size; i++) {
        n += kg_format(out + n, size - n, "%s%lu", i ? " x " : "", (unsigned long)tensor->ne[i]);
    }
}

static enum kg_status check_tensor_size(struct kg_gguf_tensor *tensor, struct kg_error *error)
{
    char name[KG_QUOTE_MAX], shape[96];
    kg_gguf_quote(name, tensor->name);
    uint64_t n = count_values(tensor);
    if (!n) {
        shape_text(tensor, shape, sizeof shape);
        return kg_gguf_damaged(error, "the tensor %s has the impossible shape %s", name, shape);
    }
    const struct kg_type_info *info = kg_type_info(tensor->type);
    if (!info) {
        return unsupported_type(error, name, tensor->type);
    }
    if (tensor->ne[0] % info->block) {
        return kg_gguf_damaged(error, "the rows of the tensor %s have %lu values, not a multiple of %u as %s needs",
                               name, (unsigned long)tensor->ne[0], info->block, info->name);
    }
    tensor->size = n / info->block * info->bytes;
    return KG_OK;
}

/* `offset` is relative to the data section, whose start is known only after the last description. */
static enum kg_status take_tensor(struct kg_gguf_reader *reader, struct kg_gguf_tensor *tensor, uint64_t *offset)
{
    char name[KG_QUOTE_MAX];
    enum kg_status status = kg_gguf_take_name(reader, "a tensor name", KG_GGUF_MAX_NAME, &tensor->name);
    reader->what = "the description of the tensor";
    reader->name = tensor->name;
    if (status == KG_OK) {
        status = kg_gguf_take_u32(reader, &tensor->n_dims);
    }
    if (status != KG_OK) {
        return status;
    }
    if (tensor->n_dims < 1 || tensor->n_dims > 4) {
        return kg_gguf_damaged(reader->error, "the tensor %s has %u dimensions, not 1 to 4",
                               kg_gguf_quote(name, tensor->name), tensor->n_dims);
    }
    for (uint32_t i = 0; i < 4; i++) {
        tensor->ne[i] = 1;
    }
    for (uint32_t i = 0; i < tensor->n_dims && status == KG_OK; i++) {
        status = kg_gguf_take_u64(reader, &tensor->ne[i]);
    }
    if (status == KG_OK) {
        status = kg_gguf_take_u32(reader, &tensor->type);
    }
    if (status == KG_OK) {
        status = kg_gguf_take_u64(reader, offset);
    }
    return status == KG_OK ? check_tensor_size(tensor, reader->error) : status;
}

/* `start` is the start of the data section. */
static enum kg_status place_tensor(const struct kg_gguf *gguf, struct kg_gguf_tensor *tensor, uint64_t start,
                                   uint64_t offset, struct kg_error *error)
{
    char name[KG_QUOTE_MAX];
    kg_gguf_quote(name, tensor->name);
    if (offset & (gguf->alignment - 1)) {
        return kg_gguf_damaged(error,
                               "the tensor %s is at offset %lu, not a multiple of general.alignment, which is %u", name,
                               (unsigned long)offset, gguf->alignment);
    }
    uint64_t room = start < gguf->size ? gguf->size - start : 0;
    if (tensor->size > room || offset > room - tensor->size) {
        return kg_gguf_damaged(
            error, "truncated in the data of the tensor %s: %lu bytes needed at offset %lu of the data, which has %lu",
            name, (unsigned long)tensor->size, (unsigned long)offset, (unsigned long)room);
    }
    tensor->data = gguf->base + start + offset;
    return KG_OK;
}

enum kg_status kg_gguf_take_tensors(struct kg_gguf_reader *reader, struct kg_gguf *gguf, struct kg_arena *arena)
{
    void *memory;
    enum kg_status status = kg_gguf_memory(arena, gguf->n_tensors * sizeof gguf->tensors[0], &memory, reader->error);
    gguf->tensors = memory;
    if (status != KG_OK) {
        return status;
    }
    size_t used = arena->used; /* the offsets are temporary */
    status = kg_gguf_memory(arena, gguf->n_tensors * sizeof(uint64_t), &memory, reader->error);
    uint64_t *offsets = memory;
    for (uint32_t i = 0; i < gguf->n_tensors && status == KG_OK; i++) {
        status = take_tensor(reader, &gguf->tensors[i], &offsets[i]);
    }
    uint64_t start = (reader->cursor.at + gguf->alignment - 1) & ~(uint64_t)(gguf->alignment - 1);
    for (uint32_t i = 0; i < gguf->n_tensors && status == KG_OK; i++) {
        status = place_tensor(gguf, &gguf->tensors[i], start, offsets[i], reader->error);
    }
    if (status == KG_OK) { /* reuse the memory of the offsets for the sort order */
        status = kg_gguf_check_overlaps(gguf, memory, reader->error);
    }
    kg_arena_rewind(arena, used);
    return status == KG_OK ? kg_gguf_index_tensors(gguf, arena, reader->error) : status;
}
