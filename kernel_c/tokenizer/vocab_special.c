/* Special tokens: the ids in the file, llama.cpp's list of known pieces, and the index for splitting a text. */
#include "kgpt/mem.h"
#include "kgpt/str.h"
#include "vocab_tables.h"

#define STRIPS "tokenizer.kgpt.strips"
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* A special token with a role: the field with its id and, if the field is missing, candidate pieces in order of
 * preference. */
struct role {
    const char *key;
    const char *const *names; /* ended by NULL */
    bool ends;                /* ends a generation */
};

static const char *const eot_names[] = {
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>",         "<|endoftext|>",      "<|end_of_text|>",
    "<EOT>",      "_<EOT>",     "[EOT]",   "<｜end▁of▁sentence｜>", "<end_of_utterance>", NULL};
static const char *const eom_names[] = {"<|eom_id|>", NULL};
static const char *const prefix_names[] = {"<|fim_prefix|>",  "<fim-prefix>", "<fim_prefix>",
                                           "<｜fim▁begin｜>", "<PRE>",        "▁<PRE>",
                                           "<|code_prefix|>", "<|prefix|>",   NULL};
static const char *const suffix_names[] = {"<|fim_suffix|>",  "<fim-suffix>", "<fim_suffix>",
                                           "<｜fim▁hole｜>",  "<SUF>",        "▁<SUF>",
                                           "<|code_suffix|>", "<|suffix|>",   NULL};
static const char *const middle_names[] = {"<|fim_middle|>",  "<fim-middle>", "<fim_middle>",
                                           "<｜fim▁end｜>",   "<MID>",        "▁<MID>",
                                           "<|code_middle|>", "<|middle|>",   NULL};
static const char *const pad_names[] = {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]", NULL};
static const char *const repository_names[] = {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>",
                                               "<REPO>",       "<reponame>",    NULL};
static const char *const file_names[] = {"<|file_sep|>", NULL};
static const char *const no_names[] = {NULL};

enum { BOS, EOS, EOT, EOM, UNK, N_KEPT, N_ROLES = N_KEPT + 6 };
static const struct role roles[N_ROLES] = {
    [BOS] = {"tokenizer.ggml.bos_token_id", no_names, false},
    [EOS] = {"tokenizer.ggml.eos_token_id", no_names, true},
    [EOT] = {"tokenizer.ggml.eot_token_id", eot_names, true},
    [EOM] = {"tokenizer.ggml.eom_token_id", eom_names, true},
    [UNK] = {"tokenizer.ggml.unknown_token_id", no_names, false},
    [N_KEPT] = {"tokenizer.ggml.fim_pre_token_id", prefix_names, false},
    {"tokenizer.ggml.fim_suf_token_id", suffix_names, false},
    {"tokenizer.ggml.fim_mid_token_id", middle_names, false},
    {"tokenizer.ggml.fim_pad_token_id", pad_names, true},
    {"tokenizer.ggml.fim_rep_token_id", repository_names, true},
    {"tokenizer.ggml.fim_sep_token_id", file_names, true},
};

/* Pieces that end a generation regardless of the file. */
static const char *const ending_names[] = {"<|eot_id|>",
                                           "<|im_end|>",
                                           "<|end|>",
                                           "<|return|>",
                                           "<|call|>",
                                           "<|flush|>",
                                           "<|calls|>",
                                           "<end_of_turn>",
                                           "<|endoftext|>",
                                           "</s>",
                                           "<|eom_id|>",
                                           "<EOT>",
                                           "_<EOT>",
                                           "[EOT]",
                                           "[EOS]",
                                           "<|end_of_text|>",
                                           "<end_of_utterance>",
                                           "<eos>",
                                           "<turn|>",
                                           "<|tool_response>",
                                           "<｜end▁of▁sentence｜>",
                                           "[e~[",
                                           NULL};

/* Pieces that are always shown. */
static const char *const shown_names[] = {"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>", NULL};

static uint32_t find_special(const struct kg_vocab_tables *tables, const char *name)
{
    size_t n = kg_strlen(name);
    return kg_piece_find(tables, kg_hash(name, n), name, n);
}

static bool has_special(const struct kg_vocab_tables *tables, const char *name)
{
    return find_special(tables, name) != KG_NO_TOKEN;
}

static enum kg_status read_role(struct kg_vocab_tables *tables, const struct role *role, uint32_t *token,
                                struct kg_error *error)
{
    uint32_t id = *token; /* the default */
    enum kg_status status = kg_gguf_u32_or(tables->gguf, role->key, &id, error);
    if (status != KG_OK) {
        return status;
    }
    if (kg_gguf_find(tables->gguf, role->key) && id >= tables->n) {
        return kg_vocab_refuse(error, "the field \"%s\" is %u, but there are %u tokens", role->key, id, tables->n);
    }
    id = id < tables->n ? id : KG_NO_TOKEN;
    for (const char *const *name = role->names; id == KG_NO_TOKEN && *name; name++) {
        id = find_special(tables, *name);
        if (id != KG_NO_TOKEN) {
            tables->attributes[id] |= KG_TOKEN_CONTROL;
        }
    }
    if (id != KG_NO_TOKEN && role->ends) {
        tables->attributes[id] |= KG_TOKEN_ENDS;
    }
    *token = id;
    return KG_OK;
}

/* Sets the attributes of a piece, if it exists, but keeps KG_TOKEN_ENDS. */
static void set_attribute(struct kg_vocab_tables *tables, const char *name, uint8_t attributes)
{
    uint32_t token = find_special(tables, name);
    if (token != KG_NO_TOKEN) {
        tables->attributes[token] = (tables->attributes[token] & KG_TOKEN_ENDS) | attributes;
    }
}

static void unset_end(struct kg_vocab_tables *tables, const char *name, uint8_t attributes)
{
    uint32_t token = find_special(tables, name);
    if (token != KG_NO_TOKEN) {
        tables->attributes[token] = attributes;
    }
}

static void hide_token(struct kg_vocab_tables *tables, uint32_t token)
{
    if (token != KG_NO_TOKEN) {
        tables->attributes[token] |= KG_TOKEN_CONTROL;
    }
}

static void set_endings(struct kg_vocab_tables *tables)
{
    for (const char *const *name = ending_names; *name; name++) {
        uint32_t token = find_special(tables, *name);
        if (token != KG_NO_TOKEN) {
            tables->attributes[token] |= KG_TOKEN_CONTROL | KG_TOKEN_ENDS;
        }
    }
    for (const char *const *name = shown_names; *name; name++) {
        set_attribute(tables, *name, KG_TOKEN_USER);
    }
    /* With channels, <|end|> only ends a channel. With tool responses, </s> is text. */
    bool calls = has_special(tables, "<|call|>") || has_special(tables, "<|calls|>");
    if (calls && (has_special(tables, "<|return|>") || has_special(tables, "<|flush|>"))) {
        unset_end(tables, "<|end|>", KG_TOKEN_USER);
    }
    if (has_special(tables, "<|tool_response>")) {
        unset_end(tables, "</s>", KG_TOKEN_NORMAL);
    }
}

static bool contains_phi3(struct kg_text text)
{
    static const char *const names[] = {"phi-3", "phi3"};
    for (size_t k = 0; k < COUNT(names); k++) {
        for (size_t at = 0; at < text.n; at++) {
            size_t i = 0;
            while (names[k][i] && at + i < text.n) {
                char c = text.data[at + i];
                if ((c >= 'A' && c <= 'Z' ? c | 0x20 : c) != names[k][i]) {
                    break;
                }
                i++;
            }
            if (!names[k][i]) {
                return true;
            }
        }
    }
    return false;
}

/* The file's flags, one for each token: the white space after a special token is stripped. */
static enum kg_status read_strips(struct kg_vocab_tables *tables, struct kg_error *error)
{
    struct kg_gguf_value flags;
    enum kg_status status = kg_vocab_read_list(tables, STRIPS, KG_GGUF_I32, &flags, error);
    for (uint32_t i = 0; status == KG_OK && i < tables->n; i++) {
        bool strips = kg_gguf_u32_at(&flags, i) != 0 && tables->attributes[i] & KG_TOKEN_SPECIAL;
        tables->attributes[i] |= strips ? KG_TOKEN_STRIPS : 0;
    }
    tables->strips_any = true;
    return status;
}

/* In other files no field says that Phi-3's special tokens do so. */
static void set_strips(struct kg_vocab_tables *tables)
{
    static const char *const keeping[] = {"<unk>", "<s>", "<|endoftext|>"};
    const struct kg_gguf_value *name = kg_gguf_find(tables->gguf, "general.name");
    struct kg_text text;
    struct kg_error ignored;
    if (!name || kg_gguf_text(tables->gguf, "general.name", &text, &ignored) != KG_OK || !contains_phi3(text)) {
        return;
    }
    for (uint32_t i = 0; i < tables->n; i++) {
        tables->attributes[i] |= tables->attributes[i] & KG_TOKEN_SPECIAL ? KG_TOKEN_STRIPS : 0;
    }
    for (size_t i = 0; i < COUNT(keeping); i++) {
        uint32_t token = find_special(tables, keeping[i]);
        if (token != KG_NO_TOKEN) {
            tables->attributes[token] &= (uint8_t)~KG_TOKEN_STRIPS;
        }
    }
}

/* Collects the lengths and first bytes of the pieces that separate text. */
static enum kg_status index_special(struct kg_vocab_tables *tables, struct kg_arena *arena, struct kg_error *error)
{
    uint64_t seen[KG_PIECE_MAX / 64 + 1] = {0};
    for (uint32_t i = 0; i < tables->n; i++) {
        uint32_t n = tables->pieces[i].n;
        if (n && tables->attributes[i] & KG_TOKEN_SPECIAL) {
            uint8_t first = (uint8_t)kg_piece_text(tables, i)[0];
            tables->first_bytes[first / 64] |= 1ull << first % 64;
            seen[n / 64] |= 1ull << n % 64;
        }
    }
    tables->lengths = kg_arena_take(arena, KG_PIECE_MAX * sizeof *tables->lengths);
    if (!tables->lengths) {
        return kg_vocab_no_memory(error);
    }
    for (uint32_t n = KG_PIECE_MAX; n > 0; n--) {
        if (seen[n / 64] >> n % 64 & 1) {
            tables->lengths[tables->n_lengths++] = (uint16_t)n;
        }
    }
    return KG_OK;
}

/* Reads whether texts begin with BOS and end with EOS. */
static enum kg_status read_additions(struct kg_vocab *vocab, const struct kg_gguf *gguf, struct kg_error *error)
{
    enum kg_status status = kg_gguf_bool_or(gguf, "tokenizer.ggml.add_bos_token", &vocab->add_bos, error);
    if (status == KG_OK) {
        status = kg_gguf_bool_or(gguf, "tokenizer.ggml.add_eos_token", &vocab->add_eos, error);
    }
    if (status == KG_OK &&
        ((vocab->add_bos && vocab->bos == KG_NO_TOKEN) || (vocab->add_eos && vocab->eos == KG_NO_TOKEN))) {
        bool bos = vocab->add_bos && vocab->bos == KG_NO_TOKEN;
        return kg_vocab_refuse(error, "the field \"%s\" is missing, but texts are to %s with that token",
                               roles[bos ? BOS : EOS].key, bos ? "begin" : "end");
    }
    return status;
}

enum kg_status kg_vocab_read_special(struct kg_vocab *vocab, struct kg_vocab_tables *tables, struct kg_arena *arena,
                                     struct kg_error *error)
{
    bool spm = tables->kind == KG_VOCAB_SPM;
    uint32_t tokens[N_ROLES];
    memset(tokens, 0xFF, sizeof tokens);
    if (spm) { /* SentencePiece's defaults */
        tokens[UNK] = 0;
        tokens[BOS] = 1;
        tokens[EOS] = 2;
    }
    enum kg_status status = KG_OK;
    for (uint32_t i = 0; status == KG_OK && i < N_ROLES; i++) {
        status = read_role(tables, &roles[i], &tokens[i], error);
    }
    if (status != KG_OK) {
        return status;
    }
    vocab->bos = tokens[BOS];
    vocab->eos = tokens[EOS];
    vocab->eot = tokens[EOT];
    vocab->unk = tokens[UNK];
    if (tables->kind == KG_VOCAB_CHAR) { /* begins and ends a document; it has no text, whatever the list shows */
        hide_token(tables, vocab->bos);
        hide_token(tables, vocab->eos);
    }
    set_endings(tables);
    for (uint32_t i = 0; i < tables->n && !vocab->has_end; i++) {
        vocab->has_end = tables->attributes[i] & KG_TOKEN_ENDS;
    }
    if (kg_gguf_find(tables->gguf, STRIPS)) {
        status = read_strips(tables, error);
    } else {
        set_strips(tables);
    }
    status = status == KG_OK ? read_additions(vocab, tables->gguf, error) : status;
    return status == KG_OK ? index_special(tables, arena, error) : status;
}
