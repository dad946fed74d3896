/* Fuzzes pre-tokenizers, byte-level BPE and SentencePiece with any text. The first byte selects the tokenizer, the
 * second where the text is split and whether special tokens are parsed. Two fragments must give the same tokens as
 * one. Decoding must give the text again, with invalid bytes replaced. */
#include <stdlib.h>
#include <string.h>

#include "checked_arena.h"
#include "kgpt/utf8.h"
#include "kgpt/vocab.h"
#include "promise.h"
#include "tokenizer/unicode.h"

#define FILE_MAX 32768
#define MOST_VOCABS 128

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A vocabulary, built at its first use. */
struct made {
    bool ready;
    struct kg_gguf gguf;
    struct kg_vocab vocab;
    struct kg_arena header, arena;
    uint8_t *file;
    size_t n;
};

static void put(struct made *made, const void *data, size_t n)
{
    promise(made->n + n <= FILE_MAX);
    memcpy(made->file + made->n, data, n);
    made->n += n;
}

static void put_number(struct made *made, uint64_t value, size_t bytes)
{
    put(made, &value, bytes);
}

static void put_bytes(struct made *made, const char *text, size_t n)
{
    put_number(made, n, 8);
    put(made, text, n);
}

static void put_text(struct made *made, const char *key, const char *value)
{
    put_bytes(made, key, strlen(key));
    put_number(made, KG_GGUF_STRING, 4);
    put_bytes(made, value, strlen(value));
}

static void put_list(struct made *made, const char *key, uint32_t kind, uint64_t n)
{
    put_bytes(made, key, strlen(key));
    put_number(made, KG_GGUF_ARRAY, 4);
    put_number(made, kind, 4);
    put_number(made, n, 8);
}

static const char *const merges[] = {
    "t h",  "th e", "Ġ t", "Ġt h", "Ġth e", "Ġ Ġ", "ĠĠ ĠĠ", "Ċ Ċ",   "i n", "in g", "1 2",
    "12 3", "' s",  "' l", "'l l", "Ã ©",   "ð Ł", "ðŁ ĺ",  "ðŁĺ Ģ", "A B", "â ĢĻ", "Ģ Ļ",
};
static const char *const special[] = {"<|im_start|>", "<|im_end|>", "<tool>"};
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Results of merges, in an order in which merges can use them; the last but one needs the last. */
static void put_merged(struct made *made, const char *merge)
{
    char piece[32];
    const char *space = strchr(merge, ' ');
    size_t left = (size_t)(space - merge), right = strlen(space + 1);
    memcpy(piece, merge, left);
    memcpy(piece + left, space + 1, right);
    put_bytes(made, piece, left + right);
}

static void put_bpe(struct made *made, const char *pre)
{
    put_text(made, "tokenizer.ggml.model", "gpt2");
    put_text(made, "tokenizer.ggml.pre", pre);
    put_bytes(made, "tokenizer.ggml.bos_token_id", 27); /* some vocabularies add BOS */
    put_number(made, KG_GGUF_U32, 4);
    put_number(made, 256 + COUNT(merges), 4);
    put_list(made, "tokenizer.ggml.tokens", KG_GGUF_STRING, 256 + COUNT(merges) + COUNT(special));
    for (uint32_t byte = 0; byte < 256; byte++) {
        char piece[4];
        put_bytes(made, piece, kg_utf8_encode(kg_byte_char((uint8_t)byte), piece));
    }
    for (size_t i = 0; i < COUNT(merges); i++) {
        put_merged(made, merges[i]);
    }
    for (size_t i = 0; i < COUNT(special); i++) {
        put_bytes(made, special[i], strlen(special[i]));
    }
    put_list(made, "tokenizer.ggml.token_type", KG_GGUF_I32, 256 + COUNT(merges) + COUNT(special));
    for (size_t i = 0; i < 256 + COUNT(merges) + COUNT(special); i++) {
        put_number(made, i < 256 + COUNT(merges) ? 1 : i == 256 + COUNT(merges) + 2 ? 4 : 3, 4);
    }
    put_list(made, "tokenizer.ggml.merges", KG_GGUF_STRING, COUNT(merges));
    for (size_t i = 0; i < COUNT(merges); i++) {
        put_bytes(made, merges[i], strlen(merges[i]));
    }
}

static const char *const pieces[] = {"▁", "a", "b", "ab", "▁a",  "▁ab", "▁▁", "é",
                                     "€", "t", "h", "th", "▁th", "the", "e"};

static void put_spm(struct made *made)
{
    uint64_t n = 3 + 256 + COUNT(pieces);
    put_text(made, "tokenizer.ggml.model", "llama");
    put_list(made, "tokenizer.ggml.tokens", KG_GGUF_STRING, n);
    put_bytes(made, "<unk>", 5);
    put_bytes(made, "<s>", 3);
    put_bytes(made, "</s>", 4);
    for (uint32_t byte = 0; byte < 256; byte++) {
        char piece[8];
        put_bytes(made, piece, (size_t)snprintf(piece, sizeof piece, "<0x%02X>", byte));
    }
    for (size_t i = 0; i < COUNT(pieces); i++) {
        put_bytes(made, pieces[i], strlen(pieces[i]));
    }
    put_list(made, "tokenizer.ggml.token_type", KG_GGUF_I32, n);
    for (uint64_t i = 0; i < n; i++) {
        put_number(made, i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1, 4);
    }
    put_list(made, "tokenizer.ggml.scores", KG_GGUF_F32, n);
    for (uint64_t i = 0; i < n; i++) {
        float score = i < 259 ? 0 : -(float)((i * 7) % 16);
        put(made, &score, sizeof score);
    }
}

static const struct kg_vocab *vocab_number(size_t i)
{
    static struct made all[MOST_VOCABS];
    struct made *made = &all[i];
    struct kg_error error = {0};
    if (made->ready) {
        return &made->vocab;
    }
    made->file = malloc(FILE_MAX);
    put(made, "GGUF\3\0\0\0", 8);
    put_number(made, 0, 8);
    put_number(made, kg_vocab_pre[i] ? 6 : 4, 8);
    if (kg_vocab_pre[i]) {
        put_bpe(made, kg_vocab_pre[i]);
    } else {
        put_spm(made);
    }
    kg_arena_init(&made->header, NULL, SIZE_MAX / 2);
    kg_arena_init(&made->arena, NULL, SIZE_MAX / 2);
    enum kg_status status = kg_gguf_open(&made->gguf, made->file, made->n, &made->header, &error);
    if (status == KG_OK) {
        status = kg_vocab_open(&made->vocab, &made->gguf, &made->arena, &error);
    }
    if (status != KG_OK) {
        fprintf(stderr, "vocabulary %zu: %s\n", i, error.message);
        abort();
    }
    checked_arena_keep();
    made->ready = true;
    return &made->vocab;
}

struct tokens {
    uint32_t *ids;
    size_t n;
};

static struct tokens encode(const struct kg_vocab *vocab, const char *text, size_t n, size_t cut, bool is_special)
{
    const struct kg_fragment fragments[] = {{text, cut, is_special}, {text + cut, n - cut, is_special}};
    struct kg_arena scratch;
    struct kg_error error;
    size_t room = 3 * n + 3;
    struct tokens tokens = {.ids = malloc(room * sizeof *tokens.ids)};
    kg_arena_init(&scratch, NULL, kg_vocab_scratch(vocab, n));
    promise(kg_vocab_encode(vocab, fragments, 2, tokens.ids, room, &tokens.n, &scratch, &error) == KG_OK);
    promise(tokens.n <= room);
    kg_arena_rewind(&scratch, 0);
    return tokens;
}

/* The text as byte-level BPE decodes it; `out` has room for three times its size. */
static size_t mended(const char *text, size_t n, char *out)
{
    size_t written = 0;
    for (size_t at = 0; at < n;) {
        uint32_t code;
        at += kg_unicode_next(text + at, n - at, &code);
        written += kg_utf8_encode(code, out + written);
    }
    return written;
}

/* Replaces SentencePiece's mark by a space, in place. In invalid UTF-8 the mark may remain, because a broken
 * character includes its first byte. */
static size_t without_marks(char *text, size_t n)
{
    size_t written = 0;
    for (size_t at = 0; at < n; written++) {
        bool mark = n - at >= 3 && !memcmp(text + at, "▁", 3);
        text[written] = mark ? ' ' : text[at];
        at += mark ? 3 : 1;
    }
    return written;
}

/* Decodes the tokens; the result must be shorter than `room`. */
static size_t decode(const struct kg_vocab *vocab, const struct tokens *tokens, char *out, size_t room)
{
    size_t n = 0;
    char *piece = malloc(vocab->longest);
    for (size_t i = 0; i < tokens->n; i++) {
        size_t length = kg_vocab_piece(vocab, tokens->ids[i], piece, true);
        promise(length <= vocab->longest && n + length <= room);
        memcpy(out + n, piece, length);
        n += length;
    }
    free(piece);
    return n;
}

static void check(const struct kg_vocab *vocab, bool spm, const char *text, size_t n, size_t split, bool is_special)
{
    struct tokens whole = encode(vocab, text, n, n, is_special), cut = encode(vocab, text, n, split, is_special);
    promise(whole.n == cut.n && !memcmp(whole.ids, cut.ids, whole.n * sizeof *whole.ids));
    size_t room = 3 * n + 3; /* an invalid byte becomes three bytes; the leading space is a mark */
    char *expected = malloc(room), *found = malloc(room);
    size_t found_n = decode(vocab, &whole, found, room), expected_n = n;
    if (spm) {
        expected[0] = ' ';
        memcpy(expected + 1, text, n);
        expected_n = without_marks(expected, n ? n + 1 : 0);
        found_n = without_marks(found, found_n);
    } else {
        expected_n = mended(text, n, expected);
    }
    promise(found_n == expected_n && !memcmp(found, expected, found_n));
    free(expected);
    free(found);
    free(whole.ids);
    free(cut.ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n_vocabs = 1;
    while (kg_vocab_pre[n_vocabs - 1]) {
        n_vocabs++;
    }
    promise(n_vocabs <= MOST_VOCABS);
    if (size < 2) {
        return 0;
    }
    size_t number = data[0] % n_vocabs, n = size - 2;
    bool spm = number == n_vocabs - 1;
    const struct kg_vocab *vocab = vocab_number(number);
    char *text = malloc(n ? n : 1);
    memcpy(text, data + 2, n);
    bool is_special = !spm && data[1] & 1; /* SentencePiece adds a space after special tokens */
    check(vocab, spm, text, n, (data[1] >> 1) % (n + 1), is_special);
    free(text);
    return 0;
}
