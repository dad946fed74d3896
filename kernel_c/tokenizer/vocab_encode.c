/* Encodes fragments: finds special tokens in the text, and tokenizes the parts between them. */
#include "kgpt/mem.h"
#include "vocab_tables.h"

/* `marks[i]`: the id of a special token that starts at byte i, `TAKEN` inside one, `FREE` otherwise. */
#define FREE KG_NO_TOKEN
#define TAKEN (KG_NO_TOKEN - 1)

struct text {
    const struct kg_vocab_tables *tables;
    char *bytes;
    uint8_t *trusted; /* 1 in text of a template, where all special tokens are parsed */
    uint32_t *marks;
    uint32_t *hashes; /* (n + 1) */
    uint32_t n;
};

/* Allocates from scratch. Returns false if the arena is full. */
static bool carve_text(struct text *text, uint64_t n, struct kg_arena *scratch)
{
    text->bytes = kg_arena_take(scratch, n);
    text->trusted = kg_arena_take(scratch, n);
    text->marks = kg_arena_array(scratch, n, sizeof *text->marks);
    text->hashes = kg_arena_array(scratch, n + 1, sizeof *text->hashes);
    return text->bytes && text->trusted && text->marks && text->hashes;
}

uint64_t kg_vocab_scratch(const struct kg_vocab *vocab, size_t n)
{
    struct kg_arena counted = kg_arena_counting();
    struct text text;
    carve_text(&text, n, &counted);
    switch (vocab->tables->kind) {
    case KG_VOCAB_BPE: kg_bpe_count(vocab->tables, n, &counted); break;
    case KG_VOCAB_SPM: kg_spm_count(n, &counted); break;
    case KG_VOCAB_CHAR: break;
    }
    return counted.peak;
}

static bool is_stripped(const struct text *text, uint32_t at, uint32_t *length)
{
    uint32_t code;
    *length = (uint32_t)kg_unicode_next(text->bytes + at, text->n - at, &code);
    return code == ' ' || (code >= '\t' && code <= '\r') ||
           (text->tables->strips_any && kg_unicode_class(code) == KG_SPACE);
}

/* Marks the token at [at, at + n), and the white space after it if the token strips it. */
static void take_special(struct text *text, uint32_t at, uint32_t n, uint32_t token)
{
    for (uint32_t i = 1; i < n; i++) {
        text->marks[at + i] = TAKEN;
    }
    text->marks[at] = token;
    if (text->tables->attributes[token] & KG_TOKEN_STRIPS) {
        uint32_t i = at + n, length;
        while (i < text->n && text->marks[i] == FREE && is_stripped(text, i, &length)) {
            for (; length; length--) {
                text->marks[i++] = TAKEN;
            }
        }
    }
}

static bool all_trusted(const struct text *text, uint32_t at, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!text->trusted[at + i]) {
            return false;
        }
    }
    return true;
}

/* Marks special tokens of n bytes. Longer ones were marked before, so an overlap always includes the first or the
 * last byte. */
static void take_length(struct text *text, uint32_t n)
{
    const struct kg_vocab_tables *tables = text->tables;
    for (uint32_t at = 0; at + n <= text->n; at++) {
        uint8_t first = (uint8_t)text->bytes[at];
        if (!(tables->first_bytes[first / 64] >> first % 64 & 1) || text->marks[at] != FREE ||
            text->marks[at + n - 1] != FREE) {
            continue;
        }
        uint32_t token = kg_piece_find(tables, kg_hash_part(tables, text->hashes, at, n), text->bytes + at, n);
        if (token != KG_NO_TOKEN && tables->attributes[token] & KG_TOKEN_SPECIAL &&
            (!(tables->attributes[token] & KG_TOKEN_HIDDEN) || all_trusted(text, at, n))) {
            take_special(text, at, n, token);
        }
    }
}

static enum kg_status refuse_text_memory(struct kg_error *error, uint64_t n)
{
    kg_error_set(error, KG_E_MEMORY, "the memory for a text of %lu bytes is too small", (unsigned long)n);
    kg_error_hint(error, "shorten the text, or give the machine more memory");
    return KG_E_MEMORY;
}

static enum kg_status encode_part(const struct kg_vocab *vocab, const char *text, uint32_t n, bool first,
                                  struct kg_tokens *out, struct kg_arena *scratch, struct kg_error *error)
{
    const struct kg_vocab_tables *tables = vocab->tables;
    size_t used = scratch->used;
    enum kg_status status = KG_OK;
    switch (tables->kind) {
    case KG_VOCAB_BPE: status = kg_bpe_encode(tables, text, n, first, out, scratch); break;
    case KG_VOCAB_SPM: status = kg_spm_encode(tables, text, n, first, out, scratch); break;
    case KG_VOCAB_CHAR: return kg_char_encode(vocab, text, n, out, error);
    }
    kg_arena_rewind(scratch, used);
    return status == KG_E_MEMORY ? refuse_text_memory(error, n) : status;
}

static enum kg_status encode_text(const struct kg_vocab *vocab, struct text *text, bool first, struct kg_tokens *out,
                                  struct kg_arena *scratch, struct kg_error *error)
{
    bool cuts = text->tables->kind != KG_VOCAB_CHAR;
    memset(text->marks, 0xFF, text->n * sizeof *text->marks); /* FREE */
    kg_hash_all(text->bytes, text->n, text->hashes);
    for (uint32_t i = 0; cuts && i < text->tables->n_lengths; i++) {
        take_length(text, text->tables->lengths[i]);
    }
    enum kg_status status = KG_OK;
    for (uint32_t at = 0; status == KG_OK && at < text->n;) {
        uint32_t end = at;
        while (end < text->n && text->marks[end] == FREE) {
            end++;
        }
        if (end > at) {
            status = encode_part(vocab, text->bytes + at, end - at, first, out, scratch, error);
            first = false;
        } else if (text->marks[at] == TAKEN) {
            end++;
        } else {
            kg_tokens_add(out, text->marks[at]);
            first = !text->tables->prefix_once;
            end++;
        }
        at = end;
    }
    return status;
}

/* `first`: the text begins here. */
static enum kg_status encode_fragments(const struct kg_vocab *vocab, const struct kg_fragment *fragments,
                                       size_t n_fragments, bool first, uint32_t *tokens, size_t room, size_t *count,
                                       struct kg_arena *scratch, struct kg_error *error)
{
    *count = 0;
    uint64_t n = 0;
    for (size_t i = 0; i < n_fragments && n <= KG_TEXT_MAX; i++) {
        n += fragments[i].n <= KG_TEXT_MAX ? fragments[i].n : KG_TEXT_MAX + 1;
    }
    if (n > KG_TEXT_MAX) {
        kg_error_set(error, KG_E_INPUT, "the text has more than %u bytes", KG_TEXT_MAX);
        kg_error_hint(error, "shorten it");
        return KG_E_INPUT;
    }
    size_t used = scratch->used;
    struct text text = {.tables = vocab->tables, .n = (uint32_t)n};
    if (!carve_text(&text, n, scratch)) {
        kg_arena_rewind(scratch, used);
        return refuse_text_memory(error, n);
    }
    size_t at = 0;
    for (size_t i = 0; i < n_fragments; at += fragments[i++].n) {
        memcpy(text.bytes + at, fragments[i].text, fragments[i].n);
        memset(text.trusted + at, fragments[i].special, fragments[i].n);
    }
    struct kg_tokens out = {.tokens = tokens, .room = room};
    enum kg_status status = encode_text(vocab, &text, first, &out, scratch, error);
    *count = out.count;
    kg_arena_rewind(scratch, used);
    return status;
}

enum kg_status kg_vocab_encode(const struct kg_vocab *vocab, const struct kg_fragment *fragments, size_t n_fragments,
                               uint32_t *tokens, size_t room, size_t *count, struct kg_arena *scratch,
                               struct kg_error *error)
{
    return encode_fragments(vocab, fragments, n_fragments, true, tokens, room, count, scratch, error);
}

enum kg_status kg_vocab_encode_rest(const struct kg_vocab *vocab, const char *text, size_t n, uint32_t *tokens,
                                    size_t room, size_t *count, struct kg_arena *scratch, struct kg_error *error)
{
    const struct kg_fragment rest = {.text = text, .n = n};
    return encode_fragments(vocab, &rest, 1, false, tokens, room, count, scratch, error);
}
