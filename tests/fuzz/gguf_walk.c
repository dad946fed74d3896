/* Visits all of a GGUF file: see gguf_walk.h. */
#include "gguf_walk.h"

#include "kgpt/gguf.h"
#include "kgpt/quant.h"
#include "kgpt/str.h"
#include "promise.h"

static volatile uint8_t touched;

static void touch(const void *data, uint64_t n)
{
    if (n) {
        touched = ((const uint8_t *)data)[0];
        touched = ((const uint8_t *)data)[n - 1];
    }
}

static const uint32_t sizes[] = {
    [KG_GGUF_U8] = 1,  [KG_GGUF_I8] = 1,   [KG_GGUF_U16] = 2, [KG_GGUF_I16] = 2, [KG_GGUF_U32] = 4, [KG_GGUF_I32] = 4,
    [KG_GGUF_F32] = 4, [KG_GGUF_BOOL] = 1, [KG_GGUF_U64] = 8, [KG_GGUF_I64] = 8, [KG_GGUF_F64] = 8,
};

static void walk_array(const struct kg_gguf *gguf, const char *key, const struct kg_gguf_value *value,
                       struct kg_error *error)
{
    struct kg_gguf_value array;
    promise(kg_gguf_array(gguf, key, value->item_kind, &array, error) == KG_OK && array.n == value->n);
    const uint8_t *cursor = array.data;
    if (array.item_kind != KG_GGUF_STRING) {
        promise(array.item_kind <= KG_GGUF_F64 && sizes[array.item_kind]);
        touch(cursor, array.n * sizes[array.item_kind]);
        return;
    }
    for (uint64_t i = 0; i < array.n; i++) {
        struct kg_text text = kg_gguf_next_string(&cursor);
        promise((const uint8_t *)text.data >= gguf->base && text.n <= gguf->size);
        touch(text.data, text.n);
    }
}

/* Exactly the getters for a value's kind accept it; the others refuse it by name. */
static void walk_field(const struct kg_gguf *gguf, const struct kg_gguf_field *field, struct kg_error *error)
{
    char key[256];
    const struct kg_gguf_value *value = &field->value;
    if (field->key.n >= sizeof key || __builtin_memchr(field->key.data, 0, field->key.n)) {
        return; /* no getter */
    }
    __builtin_memcpy(key, field->key.data, field->key.n);
    key[field->key.n] = '\0';
    promise(kg_gguf_find(gguf, key) == value);
    uint32_t count = 0;
    float number = 0;
    bool flag = false;
    struct kg_text text;
    bool is_count = kg_gguf_u32(gguf, key, &count, error) == KG_OK;
    bool is_number = kg_gguf_f32(gguf, key, &number, error) == KG_OK;
    bool is_flag = kg_gguf_bool(gguf, key, &flag, error) == KG_OK;
    bool is_text = kg_gguf_text(gguf, key, &text, error) == KG_OK;
    promise(is_number + is_flag + is_text <= 1 && (is_number || !is_count));
    promise(is_flag == (value->kind == KG_GGUF_BOOL) && is_text == (value->kind == KG_GGUF_STRING));
    promise(!is_count || (value->kind != KG_GGUF_F32 && value->kind != KG_GGUF_F64));
    if (is_text) {
        touch(text.data, text.n);
    }
    if (value->kind == KG_GGUF_ARRAY) {
        walk_array(gguf, key, value, error);
    }
}

static void walk_tensor(const struct kg_gguf *gguf, const struct kg_gguf_tensor *tensor)
{
    char name[128];
    promise(tensor->name.n > 0 && tensor->name.n < sizeof name);
    __builtin_memcpy(name, tensor->name.data, tensor->name.n);
    name[tensor->name.n] = '\0';
    promise(kg_strlen(name) < tensor->name.n || kg_gguf_tensor(gguf, name) == tensor);
    const struct kg_type_info *info = kg_type_info(tensor->type);
    promise(info && tensor->ne[0] % info->block == 0);
    uint64_t rows = tensor->ne[1] * tensor->ne[2] * tensor->ne[3];
    promise(tensor->size == tensor->ne[0] / info->block * info->bytes * rows);
    promise((uint64_t)(tensor->data - gguf->base) % gguf->alignment == 0);
    promise(tensor->data >= gguf->base && tensor->data + tensor->size <= gguf->base + gguf->size);
    touch(tensor->data, tensor->size);
}

static void check_refusal(const struct kg_error *error)
{
    promise(error->message[0] && error->hint[0]);
    for (const char *c = error->message; *c; c++) {
        promise((unsigned char)*c >= 0x20 && *c != 0x7F);
    }
    promise(kg_strlen(error->message) < sizeof error->message - 1); /* not truncated */
}

bool gguf_walk(const uint8_t *data, uint64_t size, struct kg_error *error)
{
    struct kg_error refusal;
    struct kg_arena arena;
    struct kg_gguf gguf;
    /* checked_arena.c has its own memory. Tables take less than four times the size of their source. */
    kg_arena_init(&arena, NULL, 4 * size + 512);
    enum kg_status status = kg_gguf_open(&gguf, data, size, &arena, error);
    promise(status == KG_OK || status == KG_E_INPUT); /* this much memory always suffices */
    if (status != KG_OK) {
        check_refusal(error);
    }
    for (uint32_t i = 0; status == KG_OK && i < gguf.n_fields; i++) {
        walk_field(&gguf, &gguf.fields[i], &refusal);
    }
    for (uint32_t i = 0; status == KG_OK && i < gguf.n_tensors; i++) {
        walk_tensor(&gguf, &gguf.tensors[i]);
    }
    kg_arena_rewind(&arena, 0);
    return status == KG_OK;
}
