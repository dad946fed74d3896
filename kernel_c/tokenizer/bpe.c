/* Byte-level BPE: a text is split into words, a word into bytes; merges join the bytes, the lowest rank first.
 * Merges never produce a control token, because only templates contain these. */
#include "kgpt/mem.h"
#include "kgpt/utf8.h"
#include "merge.h"
#include "vocab_tables.h"

#define REPAIRED 3 /* largest expansion of a byte: U+FFFD replaces an invalid one */

struct bpe {
    const struct kg_vocab_tables *tables;
    struct kg_symbol *symbols;
    uint64_t *heap;
    char *printed; /* the word in the printable characters of byte-level BPE */
};

/* Scratch for a text of `n` bytes: its characters, and the ends of words. carve_words returns false if the arena is
 * full. */
struct words {
    uint32_t *chars, *ends, *spare; /* (n) */
};

static bool carve_words(struct words *words, struct bpe *bpe, uint64_t n, struct kg_arena *scratch)
{
    n = (n + 1) * (bpe->tables->nfc.used ? KG_NFC_GROWTH : 1); /* a space may precede the text */
    words->chars = kg_arena_array(scratch, n, sizeof *words->chars);
    words->ends = kg_arena_array(scratch, n, sizeof *words->ends);
    words->spare = kg_arena_array(scratch, n, sizeof *words->spare);
    bpe->printed = kg_arena_take(scratch, KG_PIECE_MAX + 8);
    return words->chars && words->ends && words->spare && bpe->printed;
}

/* Scratch for the longest word, of `n` bytes. */
static bool carve_bpe_merges(struct bpe *bpe, uint64_t n, struct kg_arena *scratch)
{
    bpe->symbols = kg_arena_array(scratch, n, sizeof *bpe->symbols);
    bpe->heap = kg_arena_array(scratch, KG_MERGE_HEAP(n), sizeof *bpe->heap);
    return bpe->symbols && bpe->heap;
}

void kg_bpe_count(const struct kg_vocab_tables *tables, uint64_t n, struct kg_arena *counted)
{
    struct words words;
    struct bpe bpe = {.tables = tables};
    carve_words(&words, &bpe, n, counted);
    carve_bpe_merges(&bpe, REPAIRED * (n + 1), counted);
}

static bool is_hidden(const struct kg_vocab_tables *tables, uint32_t token)
{
    return token != KG_NO_TOKEN && tables->attributes[token] & KG_TOKEN_HIDDEN;
}

uint32_t kg_bpe_rank(const void *context, const struct kg_symbol *left, const struct kg_symbol *right)
{
    const struct kg_vocab_tables *tables = context;
    if (left->value == KG_NO_TOKEN || right->value == KG_NO_TOKEN) {
        return KG_NO_PAIR;
    }
    uint32_t found = kg_joint_find(tables, left->value, right->value);
    return found != KG_NO_PAIR && is_hidden(tables, tables->joints[found].joined) ? KG_NO_PAIR : found;
}

void kg_bpe_join(const void *context, struct kg_symbol *left, const struct kg_symbol *right)
{
    const struct kg_vocab_tables *tables = context;
    (void)right;
    left->value = tables->joints[left->pair].joined;
}

/* Looks up the whole word as a piece, for pre-tokenizers with ignore_merges. */
static uint32_t find_whole(const struct bpe *bpe, const uint32_t *chars, uint32_t n)
{
    uint32_t length = 0;
    for (uint32_t i = 0; i < n; i++) {
        char bytes[4];
        size_t n_bytes = kg_utf8_encode(KG_CHAR_CODE(chars[i]), bytes);
        for (size_t k = 0; k < n_bytes; k++) {
            if (length > KG_PIECE_MAX) {
                return KG_NO_TOKEN;
            }
            length += (uint32_t)kg_utf8_encode(kg_byte_char((uint8_t)bytes[k]), bpe->printed + length);
        }
    }
    return length > KG_PIECE_MAX ? KG_NO_TOKEN
                                 : kg_piece_find(bpe->tables, kg_hash(bpe->printed, length), bpe->printed, length);
}

static void encode_word(const struct bpe *bpe, const uint32_t *chars, uint32_t n, struct kg_tokens *out)
{
    uint32_t token = bpe->tables->ignore_merges ? find_whole(bpe, chars, n) : KG_NO_TOKEN;
    if (token != KG_NO_TOKEN && !is_hidden(bpe->tables, token)) {
        kg_tokens_add(out, token);
        return;
    }
    uint32_t n_symbols = 0;
    for (uint32_t i = 0; i < n; i++) {
        char bytes[4];
        size_t n_bytes = kg_utf8_encode(KG_CHAR_CODE(chars[i]), bytes);
        for (size_t k = 0; k < n_bytes; k++) {
            uint32_t byte = bpe->tables->byte_token[(uint8_t)bytes[k]];
            if (byte != KG_NO_TOKEN || !bpe->tables->drops_missing) {
                bpe->symbols[n_symbols++].value = byte;
            }
        }
    }
    const struct kg_merger merger = {bpe->symbols, bpe->heap, bpe->tables, kg_bpe_rank, kg_bpe_join};
    kg_merge(&merger, n_symbols);
    for (uint32_t i = n_symbols ? 0 : KG_NO_SYMBOL; i != KG_NO_SYMBOL; i = bpe->symbols[i].next) {
        if (bpe->symbols[i].value != KG_NO_TOKEN) { /* a byte that the vocabulary lacks is dropped, as in llama.cpp */
            kg_tokens_add(out, bpe->symbols[i].value);
        }
    }
}

/* Bytes of the longest word. */
static uint64_t longest_word(const uint32_t *chars, const uint32_t *ends, uint32_t n_words)
{
    uint64_t longest = 0;
    for (uint32_t i = 0, at = 0; i < n_words; i++) {
        uint64_t bytes = 0;
        for (; at < ends[i]; at++) {
            uint32_t code = KG_CHAR_CODE(chars[at]);
            bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        }
        longest = bytes > longest ? bytes : longest;
    }
    return longest;
}

/* The characters of a text, in the form and with the space before them that the tokenizer wants. */
static uint32_t read_characters(const struct kg_vocab_tables *tables, const char *text, uint32_t n, bool first,
                                const struct words *words)
{
    uint32_t n_chars = 0, first_code;
    kg_unicode_next(text, n, &first_code);
    if (first && tables->prefix_words && first_code != ' ') {
        words->chars[n_chars++] = ' ';
    }
    for (uint32_t at = 0; at < n;) {
        at += (uint32_t)kg_unicode_next(text + at, n - at, &words->chars[n_chars++]);
    }
    if (tables->nfc.used) {
        n_chars = kg_nfc_apply(&tables->nfc, words->chars, n_chars, words->spare);
    }
    for (uint32_t i = 0; i < n_chars; i++) {
        uint32_t code = words->chars[i];
        words->chars[i] = tables->cases.n ? kg_cases_mark(&tables->cases, kg_char_of(code)) : kg_char_of(code);
        words->chars[i] |= tables->long_s && code == 0x17F ? KG_CHAR_LONG_S : 0;
    }
    return n_chars;
}

enum kg_status kg_bpe_encode(const struct kg_vocab_tables *tables, const char *text, uint32_t n, bool first,
                             struct kg_tokens *out, struct kg_arena *scratch)
{
    struct words words;
    struct bpe bpe = {.tables = tables};
    if (!carve_words(&words, &bpe, n, scratch)) {
        return KG_E_MEMORY;
    }
    uint32_t *chars = words.chars, *ends = words.ends;
    uint32_t n_chars = read_characters(tables, text, n, first, &words);
    uint32_t n_words = kg_pre_split(tables->pre, chars, n_chars, ends, words.spare);
    uint64_t longest = longest_word(chars, ends, n_words);
    if (!carve_bpe_merges(&bpe, longest, scratch)) {
        return KG_E_MEMORY;
    }
    for (uint32_t i = 0, at = 0; i < n_words; at = ends[i++]) {
        encode_word(&bpe, chars + at, ends[i] - at, out);
    }
    return KG_OK;
}
