/* SentencePiece BPE: joins characters into the pieces with the highest scores, or by the file's merges; unknown pieces
 * fall back to bytes. */
#include "kgpt/mem.h"
#include "merge.h"
#include "vocab_tables.h"

struct spm {
    const struct kg_vocab_tables *tables;
    char *text;       /* the text with spaces replaced by marks */
    uint32_t *hashes; /* hashes of its prefixes */
    struct kg_symbol *symbols;
    uint64_t *heap;
};

/* Scratch for a text of `n` bytes plus one leading space; each byte may be a space. Returns false if the arena is
 * full. */
static bool carve_marked(struct spm *spm, uint64_t n, struct kg_arena *scratch)
{
    spm->text = kg_arena_array(scratch, n + 1, KG_SPACE_MARK_BYTES);
    return spm->text;
}

/* Scratch for the merges of a marked text of `n` bytes. */
static bool carve_spm_merges(struct spm *spm, uint64_t n, struct kg_arena *scratch)
{
    spm->hashes = kg_arena_array(scratch, n + 1, sizeof *spm->hashes);
    spm->symbols = kg_arena_array(scratch, n, sizeof *spm->symbols);
    spm->heap = kg_arena_array(scratch, KG_MERGE_HEAP(n), sizeof *spm->heap);
    return spm->hashes && spm->symbols && spm->heap;
}

void kg_spm_count(uint64_t n, struct kg_arena *counted)
{
    struct spm spm;
    carve_marked(&spm, n, counted);
    carve_spm_merges(&spm, KG_SPACE_MARK_BYTES * (n + 1), counted);
}

/* Looks up a piece. Control tokens are excluded: only templates may contain them, so equal text of the user stays
 * text. */
static uint32_t find_piece(const struct spm *spm, uint32_t at, uint32_t n)
{
    const struct kg_vocab_tables *tables = spm->tables;
    if (n > KG_PIECE_MAX) {
        return KG_NO_TOKEN;
    }
    uint32_t token = kg_piece_find(tables, kg_hash_part(tables, spm->hashes, at, n), spm->text + at, n);
    return token != KG_NO_TOKEN && tables->attributes[token] & KG_TOKEN_HIDDEN ? KG_NO_TOKEN : token;
}

static uint32_t rank_spm(const void *context, const struct kg_symbol *left, const struct kg_symbol *right)
{
    const struct spm *spm = context;
    uint32_t token = find_piece(spm, left->value, left->n + right->n);
    return token == KG_NO_TOKEN ? KG_NO_PAIR : spm->tables->ranks[token];
}

static void join_spm(const void *context, struct kg_symbol *left, const struct kg_symbol *right)
{
    (void)context;
    left->n += right->n;
}

static uint32_t mark_spaces(const char *text, uint32_t n, bool prefix, char *out)
{
    uint32_t written = 0;
    if (prefix) {
        memcpy(out, KG_SPACE_MARK, KG_SPACE_MARK_BYTES);
        written = KG_SPACE_MARK_BYTES;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (text[i] == ' ') {
            memcpy(out + written, KG_SPACE_MARK, KG_SPACE_MARK_BYTES);
            written += KG_SPACE_MARK_BYTES;
        } else {
            out[written++] = text[i];
        }
    }
    return written;
}

static bool begins_word(const char *text, uint32_t n)
{
    return n >= KG_SPACE_MARK_BYTES && memcmp(text, KG_SPACE_MARK, KG_SPACE_MARK_BYTES) == 0;
}

static bool wants_prefix(const struct kg_vocab_tables *tables, const char *text, uint32_t n)
{
    bool spaced = text[0] == ' ' || begins_word(text, n);
    return tables->add_space_prefix && !(tables->prefix_words && spaced);
}

/* The length by the lead byte. Like llama.cpp, the continuation bytes are not checked and may belong to a mark. */
static uint32_t character_bytes(const char *text, uint32_t n)
{
    uint8_t lead = (uint8_t)*text;
    uint32_t length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    return length < n ? length : n;
}

/* One symbol for each character; so there can be as many symbols as bytes. */
static uint32_t split_characters(const char *text, uint32_t n, struct kg_symbol *symbols)
{
    uint32_t n_symbols = 0;
    for (uint32_t at = 0, length; at < n; at += length) {
        length = character_bytes(text + at, n - at);
        symbols[n_symbols++] = (struct kg_symbol){.value = at, .n = length};
    }
    return n_symbols;
}

static void emit_symbol(const struct spm *spm, const struct kg_symbol *symbol, struct kg_tokens *out)
{
    uint32_t token = find_piece(spm, symbol->value, symbol->n);
    if (token != KG_NO_TOKEN) {
        kg_tokens_add(out, token);
        return;
    }
    for (uint32_t i = 0; i < symbol->n; i++) {
        token = spm->tables->byte_token[(uint8_t)spm->text[symbol->value + i]];
        if (token != KG_NO_TOKEN) {
            kg_tokens_add(out, token);
        }
    }
}

/* Where merges are listed, symbols are tokens: of characters, or of the bytes of a character that is no piece. Bytes
 * without a token are dropped. */
static uint32_t split_tokens(const struct spm *spm, uint32_t n)
{
    uint32_t n_symbols = 0;
    for (uint32_t at = 0, length; at < n; at += length) {
        length = character_bytes(spm->text + at, n - at);
        uint32_t token = find_piece(spm, at, length);
        for (uint32_t i = 0; token == KG_NO_TOKEN && i < length; i++) {
            uint32_t byte = spm->tables->byte_token[(uint8_t)spm->text[at + i]];
            if (byte != KG_NO_TOKEN) {
                spm->symbols[n_symbols++].value = byte;
            }
        }
        if (token != KG_NO_TOKEN) {
            spm->symbols[n_symbols++].value = token;
        }
    }
    return n_symbols;
}

static uint32_t rank_listed(const void *context, const struct kg_symbol *left, const struct kg_symbol *right)
{
    const struct kg_vocab_tables *tables = context;
    if (tables->splits_words && begins_word(kg_piece_text(tables, right->value), tables->pieces[right->value].n)) {
        return KG_NO_PAIR;
    }
    return kg_bpe_rank(tables, left, right);
}

static void encode_by_merges(const struct spm *spm, uint32_t n, struct kg_tokens *out)
{
    const struct kg_merger merger = {spm->symbols, spm->heap, spm->tables, rank_listed, kg_bpe_join};
    uint32_t n_symbols = split_tokens(spm, n);
    kg_merge(&merger, n_symbols);
    for (uint32_t i = n_symbols ? 0 : KG_NO_SYMBOL; i != KG_NO_SYMBOL; i = spm->symbols[i].next) {
        kg_tokens_add(out, spm->symbols[i].value);
    }
}

static void encode_by_scores(const struct spm *spm, uint32_t n, struct kg_tokens *out)
{
    const struct kg_merger merger = {spm->symbols, spm->heap, spm, rank_spm, join_spm};
    kg_merge(&merger, split_characters(spm->text, n, spm->symbols));
    for (uint32_t i = 0; i != KG_NO_SYMBOL; i = spm->symbols[i].next) {
        emit_symbol(spm, &spm->symbols[i], out);
    }
}

enum kg_status kg_spm_encode(const struct kg_vocab_tables *tables, const char *text, uint32_t n, bool first,
                             struct kg_tokens *out, struct kg_arena *scratch)
{
    struct spm spm = {.tables = tables};
    if (!carve_marked(&spm, n, scratch)) {
        return KG_E_MEMORY;
    }
    uint32_t n_marked = mark_spaces(text, n, first && wants_prefix(tables, text, n), spm.text);
    if (!carve_spm_merges(&spm, n_marked, scratch)) {
        return KG_E_MEMORY;
    }
    kg_hash_all(spm.text, n_marked, spm.hashes);
    if (tables->by_merges) {
        encode_by_merges(&spm, n_marked, out);
    } else {
        encode_by_scores(&spm, n_marked, out);
    }
    return KG_OK;
}
