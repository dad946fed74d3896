/* Tests the reader with a small generated GGUF file. tests/hosted/test_gguf_reader.py has more cases. */
#include "kgpt/gguf.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"
#include "kgpt/test.h"

#define FILE_MAX 1024

struct file {
    uint8_t data[FILE_MAX];
    size_t n;
    size_t alignment_at, offset_at; /* of general.alignment's value, and of the second tensor's offset */
};

static void append_gguf_bytes(struct file *file, const void *data, size_t n)
{
    memcpy(file->data + file->n, data, n);
    file->n += n;
}

static void append_gguf_u32(struct file *file, uint32_t value)
{
    append_gguf_bytes(file, &value, sizeof value);
}

static void append_gguf_u64(struct file *file, uint64_t value)
{
    append_gguf_bytes(file, &value, sizeof value);
}

static void append_gguf_text(struct file *file, const char *text)
{
    append_gguf_u64(file, kg_strlen(text));
    append_gguf_bytes(file, text, kg_strlen(text));
}

static void append_gguf_key(struct file *file, const char *key, uint32_t kind)
{
    append_gguf_text(file, key);
    append_gguf_u32(file, kind);
}

static void append_gguf_fields(struct file *file)
{
    const float half = 0.5f;
    append_gguf_key(file, "general.architecture", KG_GGUF_STRING);
    append_gguf_text(file, "llama");
    append_gguf_key(file, "general.alignment", KG_GGUF_U32);
    file->alignment_at = file->n;
    append_gguf_u32(file, 64);
    append_gguf_key(file, "a.half", KG_GGUF_F32);
    append_gguf_bytes(file, &half, sizeof half);
    append_gguf_key(file, "a.texts", KG_GGUF_ARRAY);
    append_gguf_u32(file, KG_GGUF_STRING);
    append_gguf_u64(file, 2);
    append_gguf_text(file, "");
    append_gguf_text(file, "two");
}

/* `rows` rows of 32 values as Q8_0 (type 8), 34 bytes each. Returns the position of the offset. */
static size_t put_tensor(struct file *file, const char *name, uint64_t rows, uint64_t offset)
{
    append_gguf_text(file, name);
    append_gguf_u32(file, 2);
    append_gguf_u64(file, 32);
    append_gguf_u64(file, rows);
    append_gguf_u32(file, 8);
    append_gguf_u64(file, offset);
    return file->n - sizeof offset;
}

static void make_gguf(struct file *file)
{
    memset(file, 0, sizeof *file);
    append_gguf_bytes(file, "GGUF", 4);
    append_gguf_u32(file, 3);
    append_gguf_u64(file, 2);
    append_gguf_u64(file, 4);
    append_gguf_fields(file);
    put_tensor(file, "one", 3, 128);
    file->offset_at = put_tensor(file, "two", 2, 0);
    file->n = (file->n + 63) / 64 * 64;
    file->n += 128 + 3 * 34;
}

static enum kg_status open_test_gguf(struct kg_test *t, struct kg_gguf *gguf, const struct file *file,
                                     struct kg_error *error)
{
    size_t used = t->arena->used;
    enum kg_status status = kg_gguf_open(gguf, file->data, file->n, t->arena, error);
    if (status != KG_OK) {
        kg_arena_rewind(t->arena, used);
    }
    return status;
}

KG_TEST(gguf, finds_what_is_there)
{
    struct file *file = kg_arena_take(t->arena, sizeof *file);
    struct kg_gguf gguf;
    struct kg_error error;
    struct kg_text text;
    struct kg_gguf_value array;
    float half = 0;
    uint32_t missing = 7;
    make_gguf(file);
    KG_CHECK_EQ(t, open_test_gguf(t, &gguf, file, &error), KG_OK);
    KG_CHECK_EQ(t, gguf.alignment, 64);
    KG_CHECK_EQ(t, kg_gguf_text(&gguf, "general.architecture", &text, &error), KG_OK);
    KG_CHECK(t, text.n == 5 && !memcmp(text.data, "llama", 5));
    KG_CHECK(t, kg_gguf_f32(&gguf, "a.half", &half, &error) == KG_OK && half == 0.5f);
    KG_CHECK(t, kg_gguf_u32_or(&gguf, "a.missing", &missing, &error) == KG_OK && missing == 7);
    KG_CHECK_EQ(t, kg_gguf_array(&gguf, "a.texts", KG_GGUF_STRING, &array, &error), KG_OK);
    const uint8_t *cursor = array.data;
    KG_CHECK_EQ(t, kg_gguf_next_string(&cursor).n, 0);
    text = kg_gguf_next_string(&cursor);
    KG_CHECK(t, text.n == 3 && !memcmp(text.data, "two", 3));
    const struct kg_gguf_tensor *one = kg_gguf_tensor(&gguf, "one"), *two = kg_gguf_tensor(&gguf, "two");
    KG_CHECK(t, one && two && !kg_gguf_tensor(&gguf, "three"));
    KG_CHECK(t, one->ne[0] == 32 && one->ne[1] == 3 && one->ne[2] == 1 && one->size == 102);
    KG_CHECK(t, one->data == two->data + 128 && one->data + one->size == file->data + file->n);
}

KG_TEST(gguf, refuses_what_is_cut)
{
    struct file *file = kg_arena_take(t->arena, sizeof *file);
    struct kg_gguf gguf;
    struct kg_error error;
    make_gguf(file);
    for (size_t whole = file->n, n = 0; n < whole; n++) {
        file->n = n;
        KG_CHECK_EQ(t, open_test_gguf(t, &gguf, file, &error), KG_E_INPUT);
        KG_CHECK(t, error.message[0] && error.hint[0]);
    }
}

KG_TEST(gguf, refuses_by_name)
{
    struct file *file = kg_arena_take(t->arena, sizeof *file);
    struct kg_gguf gguf;
    struct kg_error error;
    make_gguf(file);
    file->data[file->alignment_at] = 3;
    KG_CHECK_EQ(t, open_test_gguf(t, &gguf, file, &error), KG_E_INPUT);
    KG_CHECK_TEXT(t, error.message, "general.alignment is 3, not a power of two from 8 to 65536");
    make_gguf(file);
    file->data[file->offset_at] = 64;
    KG_CHECK_EQ(t, open_test_gguf(t, &gguf, file, &error), KG_E_INPUT);
    KG_CHECK_TEXT(t, error.message, "the tensors \"two\" and \"one\" overlap");
    make_gguf(file);
    float half;
    KG_CHECK_EQ(t, open_test_gguf(t, &gguf, file, &error), KG_OK);
    KG_CHECK_EQ(t, kg_gguf_f32(&gguf, "general.architecture", &half, &error), KG_E_INPUT);
    KG_CHECK_TEXT(t, error.message, "the field \"general.architecture\" is a string, not a number");
}
