/* SentencePiece BPE by score: characters are joined to the pieces with the highest scores; what is no piece falls back to bytes. */
#include "kgpt/mem.h"
#include "merge.h"
#include "vocab_tables.h"

#define SPACE_MARK "\xE2\x96\x81" /* U+2581 stands for a space */
#define N_MARK 3u

struct spm {
    const struct kg_vocab_tables *tables;
    const char *text; /* with marks instead of spaces */
    const uint32_t *hashes;
};

uint64_t kg_spm_scratch(uint64_t n)
{
    uint64_t marked = N_MARK * (n + 1);
    return kg_arena_cost(marked) + kg_arena_cost((marked + 1) * sizeof(uint32_t)) +
           kg_arena_cost(marked * sizeof(struct kg_symbol)) + kg_arena_cost(KG_MERGE_HEAP(marked) * sizeof(uint64_t));
}

/* The piece of these bytes. Control tokens come from templates alone: text that says the same stays text. */
static uint32_t find(const struct spm *spm, uint32_t at, uint32_t n)
{
    const struct kg_vocab_tables *tables = spm->tables;
    if (n > KG_PIECE_MAX) {
        return KG_NO_TOKEN;
    }
    uint32_t token = kg_piece_find(tables, kg_hash_part(tables, spm->hashes, at, n), spm->text + at, n);
    return token != KG_NO_TOKEN && tables->attributes[token] & KG_TOKEN_HIDDEN ? KG_NO_TOKEN : token;
}

static uint32_t rank(const void *context, const struct kg_symbol *left, const struct kg_symbol *right)
{
    const struct spm *spm = context;
    uint32_t token = find(spm, left->value, left->n + right->n);
    return token == KG_NO_TOKEN ? KG_NO_PAIR : spm->tables->ranks[token];
}

static void join(const void *context, struct kg_symbol *left, const struct kg_symbol *right)
{
    (void)context;
    left->n += right->n;
}

static uint32_t mark_spaces(const char *text, uint32_t n, bool prefix, char *out)
{
    uint32_t written = 0;
    if (prefix) {
        memcpy(out, SPACE_MARK, N_MARK);
        written = N_MARK;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (text[i] == ' ') {
            memcpy(out + written, SPACE_MARK, N_MARK);
            written += N_MARK;
        } else {
            out[written++] = text[i];
        }
    }
    return written;
}

/* As many bytes as the first one of a character says. Like llama.cpp this does not look at the others, which may be of a mark: so
 * there can be as many symbols as bytes. */
static uint32_t split(const char *text, uint32_t n, struct kg_symbol *symbols)
{
    uint32_t n_symbols = 0;
    for (uint32_t at = 0; at < n;) {
        uint8_t lead = (uint8_t)text[at];
        uint32_t length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
        length = length < n - at ? length : n - at;
        symbols[n_symbols++] = (struct kg_symbol){.value = at, .n = length};
        at += length;
    }
    return n_symbols;
}

static void emit(const struct spm *spm, const struct kg_symbol *symbol, struct kg_tokens *out)
{
    uint32_t token = find(spm, symbol->value, symbol->n);
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

enum kg_status kg_spm_encode(const struct kg_vocab_tables *tables, const char *text, uint32_t n, bool first,
                             struct kg_tokens *out, struct kg_arena *scratch)
{
    char *marked = kg_arena_take(scratch, N_MARK * (n + 1));
    if (!marked) {
        return KG_E_MEMORY;
    }
    uint32_t n_marked = mark_spaces(text, n, first && tables->add_space_prefix, marked);
    uint32_t *hashes = kg_arena_take(scratch, (n_marked + 1) * sizeof *hashes);
    struct kg_symbol *symbols = kg_arena_take(scratch, n_marked * sizeof *symbols);
    uint64_t *heap = kg_arena_take(scratch, KG_MERGE_HEAP((size_t)n_marked) * sizeof *heap);
    if (!hashes || !symbols || !heap) {
        return KG_E_MEMORY;
    }
    kg_hash_all(marked, n_marked, hashes);
    const struct spm spm = {tables, marked, hashes};
    const struct kg_merger merger = {symbols, heap, &spm, rank, join};
    kg_merge(&merger, split(marked, n_marked, symbols));
    for (uint32_t i = 0; i != KG_NO_SYMBOL; i = symbols[i].next) {
        emit(&spm, &symbols[i], out);
    }
    return KG_OK;
}
