/* Tests with small generated vocabularies. tests/hosted/test_vocab.py compares real ones with llama.cpp. */
#include "kgpt/mem.h"
#include "kgpt/str.h"
#include "kgpt/test.h"
#include "kgpt/vocab.h"
#include "pretokenize.h"
#include "unicode.h"

#define FILE_MAX 1536

struct file {
    uint8_t data[FILE_MAX];
    size_t n;
    uint64_t n_fields;
};

static void append_vocab_bytes(struct file *file, const void *data, size_t n)
{
    memcpy(file->data + file->n, data, n);
    file->n += n;
}

static void append_vocab_u32(struct file *file, uint32_t value)
{
    append_vocab_bytes(file, &value, sizeof value);
}

static void append_vocab_text(struct file *file, const char *text)
{
    uint64_t n = kg_strlen(text);
    append_vocab_bytes(file, &n, sizeof n);
    append_vocab_bytes(file, text, n);
}

static void append_vocab_key(struct file *file, const char *key, uint32_t kind)
{
    append_vocab_text(file, key);
    append_vocab_u32(file, kind);
    file->n_fields++;
}

static void put_array(struct file *file, const char *key, uint32_t kind, uint64_t n)
{
    append_vocab_key(file, key, KG_GGUF_ARRAY);
    append_vocab_u32(file, kind);
    append_vocab_bytes(file, &n, sizeof n);
}

/* Number of texts before NULL. */
static uint64_t put_texts(struct file *file, const char *key, const char *const *texts)
{
    uint64_t n = 0;
    while (texts[n]) {
        n++;
    }
    put_array(file, key, KG_GGUF_STRING, n);
    for (uint64_t i = 0; i < n; i++) {
        append_vocab_text(file, texts[i]);
    }
    return n;
}

static void begin_vocab_file(struct file *file, const char *model)
{
    memset(file, 0, sizeof *file);
    file->n = 4 + 4 + 8 + 8; /* magic, version, tensors and fields: see open_test_vocab() */
    append_vocab_key(file, "tokenizer.ggml.model", KG_GGUF_STRING);
    append_vocab_text(file, model);
}

static void put_types(struct file *file, const char *types)
{
    put_array(file, "tokenizer.ggml.token_type", KG_GGUF_I32, kg_strlen(types));
    for (; *types; types++) {
        append_vocab_u32(file, (uint32_t)(*types - '0'));
    }
}

static enum kg_status open_test_vocab(struct kg_test *t, struct file *file, struct kg_gguf *gguf,
                                      struct kg_vocab *vocab, struct kg_error *error)
{
    const uint32_t version = 3;
    memcpy(file->data, "GGUF", 4);
    memcpy(file->data + 4, &version, sizeof version);
    memcpy(file->data + 16, &file->n_fields, sizeof file->n_fields);
    enum kg_status status = kg_gguf_open(gguf, file->data, file->n, t->arena, error);
    return status == KG_OK ? kg_vocab_open(vocab, gguf, t->arena, error) : status;
}

/* The tokens of `text` as digits. */
static const char *encode_test_text(struct kg_test *t, const struct kg_vocab *vocab, const char *text, bool special,
                                    char out[64])
{
    const struct kg_fragment fragment = {text, kg_strlen(text), special};
    uint32_t tokens[63];
    size_t n;
    struct kg_error error;
    if (kg_vocab_encode(vocab, &fragment, 1, tokens, 63, &n, t->arena, &error) != KG_OK) {
        return "refused";
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = (char)('0' + tokens[i]);
    }
    out[n] = '\0';
    return out;
}

static void make_bpe(struct file *file, const char *second_merge)
{
    static const char *const tokens[] = {"a",
                                         "b",
                                         "c",
                                         "ab",
                                         "bc",
                                         "\xC4\xA0",
                                         "\xC4\xA0"
                                         "ab",
                                         "<|im_end|>",
                                         NULL};
    const char *const merges[] = {"b c", second_merge, "\xC4\xA0 ab", NULL};
    begin_vocab_file(file, "gpt2");
    append_vocab_key(file, "tokenizer.ggml.pre", KG_GGUF_STRING);
    append_vocab_text(file, "gpt-2");
    put_texts(file, "tokenizer.ggml.tokens", tokens);
    put_types(file, "11111113");
    put_texts(file, "tokenizer.ggml.merges", merges);
}

KG_TEST(vocab, byte_level_bpe)
{
    struct file file;
    struct kg_gguf gguf;
    struct kg_vocab vocab;
    struct kg_error error;
    char out[64];
    make_bpe(&file, "a b");
    KG_CHECK_EQ(t, open_test_vocab(t, &file, &gguf, &vocab, &error), KG_OK);
    KG_CHECK_TEXT(t, encode_test_text(t, &vocab, "abc ab", false, out), "046"); /* "b c" ranks before "a b" */
    KG_CHECK_TEXT(t, encode_test_text(t, &vocab, "a<|im_end|>b", true, out), "071");
    KG_CHECK_TEXT(t, encode_test_text(t, &vocab, "a<|im_end|>b", false, out),
                  "01"); /* the vocabulary lacks the other bytes */
    KG_CHECK(t, vocab.eot == 7 && kg_vocab_ends(&vocab, 7) && !kg_vocab_ends(&vocab, 6));
    KG_CHECK_EQ(t, kg_vocab_piece(&vocab, 6, out, false), 3);
    KG_CHECK(t, memcmp(out, " ab", 3) == 0);
    KG_CHECK_EQ(t, kg_vocab_piece(&vocab, 7, out, false), 0);
}

KG_TEST(vocab, names_the_wrong_merge)
{
    struct file file;
    struct kg_gguf gguf;
    struct kg_vocab vocab;
    struct kg_error error;
    make_bpe(&file, "c b");
    KG_CHECK_EQ(t, open_test_vocab(t, &file, &gguf, &vocab, &error), KG_E_INPUT);
    KG_CHECK_TEXT(t, error.message, "item 1 of the field \"tokenizer.ggml.merges\": what it makes is no token");
}

KG_TEST(vocab, sentencepiece)
{
    static const char *const tokens[] = {"<unk>",
                                         "<s>",
                                         "</s>",
                                         "<0x41>",
                                         "a",
                                         "b",
                                         "aa",
                                         "\xE2\x96\x81",
                                         "\xE2\x96\x81"
                                         "a",
                                         NULL};
    static const float scores[] = {0, 0, 0, 0, -9, -9, -2, -9, -1};
    struct file file;
    struct kg_gguf gguf;
    struct kg_vocab vocab;
    struct kg_error error;
    char out[64];
    begin_vocab_file(&file, "llama");
    put_texts(&file, "tokenizer.ggml.tokens", tokens);
    put_types(&file, "233611111");
    put_array(&file, "tokenizer.ggml.scores", KG_GGUF_F32, 9);
    append_vocab_bytes(&file, scores, sizeof scores);
    KG_CHECK_EQ(t, open_test_vocab(t, &file, &gguf, &vocab, &error), KG_OK);
    KG_CHECK(t, vocab.bos == 1 && vocab.eos == 2 && vocab.add_bos && !vocab.add_eos);
    KG_CHECK_TEXT(t, encode_test_text(t, &vocab, "aaa", false, out),
                  "86"); /* the space before it, then the better score */
    KG_CHECK_TEXT(t, encode_test_text(t, &vocab, "aaaaa", false, out), "866"); /* ties go to the left */
    KG_CHECK_TEXT(t, encode_test_text(t, &vocab, "bA", false, out), "753");
    KG_CHECK_TEXT(t, encode_test_text(t, &vocab, "b</s>a", true, out), "7528");

    uint32_t ids[8]; /* as llama2.c's run.c has it */
    size_t n;
    KG_CHECK(t, kg_vocab_has_llama2c(&vocab));
    KG_CHECK_EQ(t, kg_vocab_encode_llama2c(&vocab, "aa\1a", 4, ids, 8, &n, t->arena, &error), KG_OK);
    KG_CHECK(t, n == 5 && ids[0] == 1 && ids[1] == 8 && ids[2] == 4 && ids[3] == 1 + 3 && ids[4] == 4);
    KG_CHECK(t, kg_vocab_piece_llama2c(&vocab, 4, 8, out) == 2 && memcmp(out, " a", 2) == 0);
    KG_CHECK(t, kg_vocab_piece_llama2c(&vocab, 1, 8, out) == 1 && out[0] == 'a');
    KG_CHECK(t, kg_vocab_piece_llama2c(&vocab, 1, 2, out) == 6 && memcmp(out, "\n</s>\n", 6) == 0);
}

/* Where words end, as digits. */
static const char *cut_text(const char *pre, const char *text, char out[64])
{
    uint32_t chars[64], ends[64], spare[64], n = 0;
    for (size_t at = 0, length = kg_strlen(text); at < length;) {
        uint32_t code;
        at += kg_unicode_next(text + at, length - at, &code);
        chars[n++] = kg_char_of(code);
    }
    uint32_t n_words = kg_pre_split(kg_pre_find(pre, kg_strlen(pre)), chars, n, ends, spare);
    for (uint32_t i = 0; i < n_words; i++) {
        out[i] = (char)('0' + ends[i]);
    }
    out[n_words] = '\0';
    return out;
}

KG_TEST(vocab, pre_tokenizers)
{
    char out[64];
    KG_CHECK_TEXT(t, cut_text("gpt-2", "It's  123", out), "2459");
    KG_CHECK_TEXT(t, cut_text("smollm", "a 12", out), "1234");
    KG_CHECK_TEXT(t, cut_text("llama-bpe", "1234 !\nX", out), "3478");
    KG_CHECK_TEXT(t, cut_text("qwen2", "\n x'LL", out), "136");
    KG_CHECK_TEXT(t, cut_text("tekken", "aBcDE\xC3\xA9", out), "136");
    KG_CHECK(t, !kg_pre_find("klingon", 7));
}

KG_TEST(vocab, unicode)
{
    uint32_t code;
    KG_CHECK_EQ(t, kg_unicode_class('a'), KG_LETTER);
    KG_CHECK_EQ(t, kg_unicode_class(0x0664), KG_NUMBER);
    KG_CHECK_EQ(t, kg_unicode_class(0x85), KG_SPACE);
    KG_CHECK_EQ(t, kg_unicode_class(0x10FFFF), KG_UNASSIGNED);
    KG_CHECK_EQ(t, kg_unicode_class(0x323AF), KG_LETTER); /* of Unicode 15.0 */
    KG_CHECK(t, kg_unicode_next("\xC1\x81", 2, &code) == 2 && code == 'A');
    KG_CHECK(t, kg_unicode_next("\xE2\x82z", 3, &code) == 1 && code == 0xFFFD);
    for (uint32_t byte = 0; byte < 256; byte++) {
        KG_CHECK_EQ(t, kg_char_byte(kg_byte_char((uint8_t)byte)), (int)byte);
    }
    KG_CHECK_EQ(t, kg_char_byte(0x144), -1);
}

KG_TEST(vocab, characters_of_a_running_text)
{
    static const char *const tokens[] = {"\t", "\n", "a", "\xC3\xA9", NULL};
    struct file file;
    struct kg_gguf gguf;
    struct kg_vocab vocab;
    struct kg_error error;
    char out[64];
    begin_vocab_file(&file, "kgpt-char");
    put_texts(&file, "tokenizer.ggml.tokens", tokens);
    KG_CHECK_EQ(t, open_test_vocab(t, &file, &gguf, &vocab, &error), KG_E_INPUT); /* texts are to begin with BOS */
    begin_vocab_file(&file, "kgpt-char");
    put_texts(&file, "tokenizer.ggml.tokens", tokens);
    append_vocab_key(&file, "tokenizer.ggml.add_bos_token", KG_GGUF_BOOL);
    append_vocab_bytes(&file, "", 1);
    KG_CHECK_EQ(t, open_test_vocab(t, &file, &gguf, &vocab, &error), KG_OK);
    KG_CHECK(t, vocab.bos == KG_NO_TOKEN && vocab.eos == KG_NO_TOKEN && !vocab.add_bos);
    KG_CHECK(t, vocab.first == 1 && vocab.newline == 1);
    KG_CHECK_TEXT(t, encode_test_text(t, &vocab, "a\t\xC3\xA9\n", false, out), "2031");
    for (uint32_t i = 0; i < vocab.n_vocab; i++) {
        KG_CHECK(t, !kg_vocab_ends(&vocab, i));
    }
}
