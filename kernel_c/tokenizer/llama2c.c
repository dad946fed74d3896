/* Text as llama2.c's run.c takes and prints it, for a SentencePiece vocabulary: see kgpt/vocab.h.
 *
 * Where run.c and llama.cpp (spm.c) differ:
 *  - run.c divides a text before bytes that do not continue a character, at the latest after four bytes. A character
 *    without a piece of its own becomes one token for each byte (byte + 3), and these never merge. spm.c looks for
 *    pieces that contain such a character, and falls back to bytes at the end.
 *  - For run.c U+2581 is such a character; in spm.c it is a space.
 *  - run.c prints all tokens, control tokens too, but no single byte outside of printable ASCII and white space. */
#include "kgpt/mem.h"
#include "vocab_tables.h"

#define N_SPECIAL 3u /* <unk>, <s>, </s>: the tokens of bytes follow */
#define MOST_BYTES 4u

bool kg_vocab_has_llama2c(const struct kg_vocab *vocab)
{
    return vocab->tables->kind == KG_VOCAB_SPM && vocab->bos != KG_NO_TOKEN;
}

static uint32_t measure_llama2c_character(const char *text, size_t n)
{
    uint32_t length = 1;
    while (length < n && length < MOST_BYTES && ((uint8_t)text[length] & 0xC0) == 0x80) {
        length++;
    }
    return length;
}

static bool has_own_piece(const struct kg_vocab_tables *tables, const char *text, uint32_t n)
{
    bool space = n == 1 && *text == ' ';
    const char *piece = space ? KG_SPACE_MARK : text;
    uint32_t n_piece = space ? KG_SPACE_MARK_BYTES : n;
    if (n == KG_SPACE_MARK_BYTES && memcmp(text, KG_SPACE_MARK, n) == 0) {
        return false;
    }
    uint32_t token = kg_piece_find(tables, kg_hash(piece, n_piece), piece, n_piece);
    return token != KG_NO_TOKEN && !(tables->attributes[token] & KG_TOKEN_HIDDEN);
}

static void add_byte_tokens(const struct kg_vocab_tables *tables, const char *text, uint32_t n, struct kg_tokens *out)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t token = (uint8_t)text[i] + N_SPECIAL;
        if (token < tables->n) {
            kg_tokens_add(out, token);
        }
    }
}

/* A part of the text whose characters all have pieces; `first`: it begins the text, behind a space. */
static enum kg_status encode_known_part(const struct kg_vocab_tables *tables, const char *text, uint32_t n, bool first,
                                        struct kg_tokens *out, struct kg_arena *scratch)
{
    size_t used = scratch->used;
    enum kg_status status = n || first ? kg_spm_encode(tables, text, n, first, out, scratch) : KG_OK;
    kg_arena_rewind(scratch, used);
    return status;
}

enum kg_status kg_vocab_encode_llama2c(const struct kg_vocab *vocab, const char *text, size_t n, uint32_t *tokens,
                                       size_t room, size_t *count, struct kg_arena *scratch, struct kg_error *error)
{
    const struct kg_vocab_tables *tables = vocab->tables;
    struct kg_tokens out = {.tokens = tokens, .room = room};
    enum kg_status status = KG_OK;
    *count = 0;
    if (n > KG_TEXT_MAX) {
        kg_error_set(error, KG_E_INPUT, "the text has more than %u bytes", KG_TEXT_MAX);
        kg_error_hint(error, "shorten it");
        return KG_E_INPUT;
    }
    kg_tokens_add(&out, vocab->bos);
    size_t part = 0; /* where the part begins that is not encoded yet */
    bool first = true;
    for (size_t at = 0; status == KG_OK && at < n;) {
        uint32_t length = measure_llama2c_character(text + at, n - at);
        if (!has_own_piece(tables, text + at, length)) {
            status = encode_known_part(tables, text + part, (uint32_t)(at - part), first, &out, scratch);
            add_byte_tokens(tables, text + at, length, &out);
            part = at + length;
            first = false;
        }
        at += length;
    }
    if (status == KG_OK && part < n) {
        status = encode_known_part(tables, text + part, (uint32_t)(n - part), first, &out, scratch);
    }
    *count = out.count;
    if (status == KG_E_MEMORY) {
        kg_error_set(error, KG_E_MEMORY, "the memory for a text of %zu bytes is too small", n);
        kg_error_hint(error, "shorten the text, or give the machine more memory");
    }
    return status;
}

/* isprint or isspace of C, in its own locale. */
static bool is_printed_byte(char byte)
{
    return (byte >= ' ' && byte <= '~') || (byte >= '\t' && byte <= '\r');
}

size_t kg_vocab_piece_llama2c(const struct kg_vocab *vocab, uint32_t before, uint32_t token, char *out)
{
    if (token >= vocab->n_vocab) {
        return 0;
    }
    /* Its pieces of BOS and EOS have a line feed on both sides. A piece of a byte has six bytes, like "\n</s>\n". */
    bool marks = (token == vocab->bos || token == vocab->eos) && vocab->tables->pieces[token].n + 2 <= vocab->longest;
    bool byte = vocab->tables->attributes[token] & KG_TOKEN_BYTE;
    size_t n = kg_vocab_piece(vocab, token, out + marks, true);
    if (marks) {
        out[0] = out[n + 1] = '\n';
        return n + 2;
    }
    if (before == vocab->bos && !byte && n && out[0] == ' ') {
        memmove(out, out + 1, --n);
    }
    return n == 1 && !is_printed_byte(out[0]) ? 0 : n;
}
