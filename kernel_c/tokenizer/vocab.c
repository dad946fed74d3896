/* The vocabulary of a GGUF file: see kgpt/vocab.h. */
#include "kgpt/vocab.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"
#include "kgpt/utf8.h"
#include "unicode.h"
#include "vocab_tables.h"

const char *const kg_vocab_models[] = {
    [KG_VOCAB_BPE] = "gpt2", [KG_VOCAB_SPM] = "llama", [KG_VOCAB_CHAR] = "kgpt-char", NULL};

/* Joins `names` as "a, b, c". */
static const char *list_models(char *out, size_t size, const char *const *names)
{
    size_t n = 0;
    for (; *names && n < size; names++) {
        n += kg_format(out + n, size - n, "%s%s", n ? ", " : "", *names);
    }
    return out;
}

static enum kg_status read_kind(struct kg_vocab *vocab, struct kg_vocab_tables *tables, struct kg_error *error)
{
    struct kg_text name;
    char known[64];
    enum kg_status status = kg_gguf_text(tables->gguf, "tokenizer.ggml.model", &name, error);
    if (status != KG_OK) {
        return status;
    }
    for (uint32_t i = 0; kg_vocab_models[i]; i++) {
        if (kg_strlen(kg_vocab_models[i]) == name.n && memcmp(kg_vocab_models[i], name.data, name.n) == 0) {
            tables->kind = i;
            vocab->model = kg_vocab_models[i];
            return KG_OK;
        }
    }
    kg_error_set(error, KG_E_INPUT, "the tokenizer \"%.*s\" is not supported", name.n > 64 ? 64 : (int)name.n,
                 name.data);
    kg_error_hint(error, "supported: %s", list_models(known, sizeof known, kg_vocab_models));
    return KG_E_INPUT;
}

static enum kg_status read_pre(struct kg_vocab *vocab, struct kg_vocab_tables *tables, struct kg_error *error)
{
    struct kg_text name = {"default", 7};
    const char *key = "tokenizer.ggml.pre";
    enum kg_status status = kg_gguf_find(tables->gguf, key) ? kg_gguf_text(tables->gguf, key, &name, error) : KG_OK;
    if (status != KG_OK) {
        return status;
    }
    tables->pre = kg_pre_find(name.data, name.n);
    if (!tables->pre) {
        kg_error_set(error, KG_E_INPUT, "the pre-tokenizer \"%.*s\" is not supported", name.n > 64 ? 64 : (int)name.n,
                     name.data);
        kg_error_hint(error, "docs/tokenizers.md lists those that are");
        return KG_E_INPUT;
    }
    vocab->pre = tables->pre->name;
    vocab->add_bos = tables->pre->add_bos;
    tables->ignore_merges = tables->pre->ignore_merges;
    return KG_OK;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* The byte of a piece like <0x0A>, or -1. */
static int byte_of_piece(const char *text, size_t n)
{
    if (n != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>' || hex_digit(text[3]) < 0 || hex_digit(text[4]) < 0) {
        return -1;
    }
    return hex_digit(text[3]) << 4 | hex_digit(text[4]);
}

/* Finds the tokens of single bytes, for the start of BPE and for the byte fallback. */
static enum kg_status find_bytes(struct kg_vocab_tables *tables, struct kg_error *error)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        char piece[8] = {(char)byte};
        if (tables->kind == KG_VOCAB_SPM) {
            kg_format(piece, sizeof piece, "<0x%02X>", byte);
        }
        size_t n = tables->kind == KG_VOCAB_SPM ? 6 : kg_utf8_encode(kg_byte_char((uint8_t)byte), piece);
        uint32_t token = kg_piece_find(tables, kg_hash(piece, n), piece, n);
        if (token == KG_NO_TOKEN && tables->kind == KG_VOCAB_SPM) {
            piece[0] = (char)byte;
            token = kg_piece_find(tables, kg_hash(piece, 1), piece, 1);
        }
        tables->byte_token[byte] = token;
    }
    for (uint32_t i = 0; i < tables->n; i++) {
        if (tables->attributes[i] & KG_TOKEN_BYTE && byte_of_piece(kg_piece_text(tables, i), tables->pieces[i].n) < 0) {
            return kg_vocab_refuse(
                error, "the field \"tokenizer.ggml.token_type\" makes token %u a byte, but it is not like <0x0A>", i);
        }
    }
    return KG_OK;
}

/* How a tokenizer of the tokenizers library differs from llama.cpp's of its kind: see docs/tokenizers.md. */
struct detail {
    const char *key;
    bool *value;
};

static enum kg_status read_details(const struct kg_vocab_tables *tables, const struct detail *details, size_t n,
                                   struct kg_error *error)
{
    enum kg_status status = KG_OK;
    for (size_t i = 0; i < n && status == KG_OK; i++) {
        status = kg_gguf_bool_or(tables->gguf, details[i].key, details[i].value, error);
    }
    return status;
}

static enum kg_status read_for_spm(struct kg_vocab_tables *tables, struct kg_arena *arena, struct kg_error *error)
{
    const struct detail details[] = {
        {"tokenizer.ggml.add_space_prefix", &tables->add_space_prefix},
        {"tokenizer.kgpt.prefix_once", &tables->prefix_once},
        {"tokenizer.kgpt.prefix_words", &tables->prefix_words},
        {"tokenizer.kgpt.by_merges", &tables->by_merges},
        {"tokenizer.kgpt.splits_words", &tables->splits_words},
    };
    enum kg_status status = kg_vocab_read_scores(tables, arena, error);
    if (status == KG_OK) {
        status = read_details(tables, details, sizeof details / sizeof *details, error);
    }
    return status == KG_OK && tables->by_merges ? kg_vocab_read_joints(tables, arena, error) : status;
}

static enum kg_status read_for_bpe(struct kg_vocab *vocab, struct kg_vocab_tables *tables, struct kg_arena *arena,
                                   struct kg_error *error)
{
    const struct detail details[] = {
        {"tokenizer.kgpt.ignore_merges", &tables->ignore_merges},
        {"tokenizer.kgpt.drops_missing", &tables->drops_missing},
        {"tokenizer.kgpt.prefix_words", &tables->prefix_words},
        {"tokenizer.kgpt.long_s", &tables->long_s},
    };
    enum kg_status status = kg_vocab_read_joints(tables, arena, error);
    if (status == KG_OK) {
        status = read_pre(vocab, tables, error);
    }
    if (status == KG_OK) {
        status = read_details(tables, details, sizeof details / sizeof *details, error);
    }
    if (status == KG_OK) {
        status = kg_nfc_read(&tables->nfc, tables->gguf, error);
    }
    return status == KG_OK ? kg_cases_read(&tables->cases, tables->gguf, error) : status;
}

static enum kg_status read_for_kind(struct kg_vocab *vocab, struct kg_vocab_tables *tables, struct kg_arena *arena,
                                    struct kg_error *error)
{
    if (tables->kind == KG_VOCAB_BPE) {
        return read_for_bpe(vocab, tables, arena, error);
    }
    if (tables->kind == KG_VOCAB_SPM) {
        vocab->add_bos = tables->add_space_prefix = true;
        return read_for_spm(tables, arena, error);
    }
    vocab->add_bos = true; /* a document begins and ends with BOS; the file of a running text says false */
    return KG_OK;
}

enum kg_status kg_vocab_open(struct kg_vocab *vocab, const struct kg_gguf *gguf, struct kg_arena *arena,
                             struct kg_error *error)
{
    struct kg_vocab_tables *tables = kg_arena_take(arena, sizeof *tables);
    if (!tables) {
        return kg_vocab_no_memory(error);
    }
    *vocab = (struct kg_vocab){.tables = tables, .newline = KG_NO_TOKEN, .first = KG_NO_TOKEN, .pre = ""};
    tables->gguf = gguf;
    enum kg_status status = read_kind(vocab, tables, error);
    if (status == KG_OK) {
        status = kg_vocab_read_pieces(vocab, tables, arena, error);
    }
    if (status == KG_OK) {
        status = read_for_kind(vocab, tables, arena, error);
    }
    if (status == KG_OK) {
        status = find_bytes(tables, error);
    }
    if (status == KG_OK) {
        status = kg_vocab_read_special(vocab, tables, arena, error);
    }
    if (status == KG_OK && tables->kind == KG_VOCAB_CHAR) {
        vocab->newline = kg_vocab_find(vocab, "\n", 1);
        vocab->first = vocab->newline != KG_NO_TOKEN ? vocab->newline : 0;
    } else if (status == KG_OK) {
        vocab->newline = tables->byte_token['\n'];
    }
    vocab->first = vocab->bos != KG_NO_TOKEN ? vocab->bos : vocab->first;
    return status;
}

uint32_t kg_vocab_find(const struct kg_vocab *vocab, const char *piece, size_t n)
{
    return n == 0 || n > KG_PIECE_MAX ? KG_NO_TOKEN : kg_piece_find(vocab->tables, kg_hash(piece, n), piece, n);
}

size_t kg_vocab_bytes(const struct kg_vocab *vocab)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < vocab->n_vocab; i++) { /* no piece has more bytes than its text in the file */
        bytes += vocab->tables->pieces[i].n;
    }
    return bytes;
}

bool kg_vocab_ends(const struct kg_vocab *vocab, uint32_t token)
{
    return token < vocab->n_vocab && vocab->tables->attributes[token] & KG_TOKEN_ENDS;
}

/* Converts the characters of a byte-level piece to bytes. Other characters are copied. */
static size_t bytes_of_chars(const char *text, size_t n, char *out)
{
    size_t written = 0;
    for (size_t at = 0; at < n;) {
        uint32_t code;
        size_t length = kg_unicode_next(text + at, n - at, &code);
        int byte = kg_char_byte(code);
        if (byte >= 0) {
            out[written++] = (char)byte;
        } else {
            memcpy(out + written, text + at, length);
            written += length;
        }
        at += length;
    }
    return written;
}

static size_t spaces_of_marks(const char *text, size_t n, char *out)
{
    const size_t n_mark = KG_SPACE_MARK_BYTES;
    size_t written = 0;
    for (size_t at = 0; at < n; written++) {
        bool mark = n - at >= n_mark && memcmp(text + at, KG_SPACE_MARK, n_mark) == 0;
        out[written] = mark ? ' ' : text[at];
        at += mark ? n_mark : 1;
    }
    return written;
}

size_t kg_vocab_piece(const struct kg_vocab *vocab, uint32_t token, char *out, bool special)
{
    const struct kg_vocab_tables *tables = vocab->tables;
    if (token >= tables->n || (!special && tables->attributes[token] & KG_TOKEN_HIDDEN)) {
        return 0;
    }
    const char *text = kg_piece_text(tables, token);
    size_t n = tables->pieces[token].n;
    uint32_t attributes = tables->attributes[token];
    if (attributes & KG_TOKEN_SPECIAL || (attributes & KG_TOKEN_NORMAL && tables->kind == KG_VOCAB_CHAR)) {
        memcpy(out, text, n);
        return n;
    }
    if (attributes & KG_TOKEN_NORMAL) {
        return tables->kind == KG_VOCAB_BPE ? bytes_of_chars(text, n, out) : spaces_of_marks(text, n, out);
    }
    if (attributes & KG_TOKEN_BYTE) {
        out[0] = (char)byte_of_piece(text, n);
        return 1;
    }
    return 0; /* unused or undefined */
}
