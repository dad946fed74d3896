/* Reads the arrays of a vocabulary: pieces and their types, scores, merges. */
#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"
#include "vocab_tables.h"

#define TOKENS "tokenizer.ggml.tokens"
#define TYPES "tokenizer.ggml.token_type"
#define SCORES "tokenizer.ggml.scores"
#define MERGES "tokenizer.ggml.merges"

#define MIN_TOKENS 2u
#define MAX_TOKENS (1u << 20) /* KG_LM_MOST_WIDTH */
#define MAX_MERGES (1u << 24)

enum kg_status kg_vocab_refuse(struct kg_error *error, const char *format, ...)
{
    char message[sizeof error->message];
    va_list arguments;
    va_start(arguments, format);
    kg_vformat(message, sizeof message, format, arguments);
    va_end(arguments);
    kg_error_set(error, KG_E_INPUT, "%s", message);
    kg_error_hint(error, "convert the model anew, with a current converter");
    return KG_E_INPUT;
}

enum kg_status kg_vocab_no_memory(struct kg_error *error)
{
    kg_error_set(error, KG_E_MEMORY, "the memory for the vocabulary is too small");
    kg_error_hint(error, "give the machine more memory");
    return KG_E_MEMORY;
}

/* Reads an array with one item for each token. */
enum kg_status kg_vocab_read_list(const struct kg_vocab_tables *tables, const char *key, uint32_t kind,
                                  struct kg_gguf_value *list, struct kg_error *error)
{
    enum kg_status status = kg_gguf_array(tables->gguf, key, kind, list, error);
    if (status == KG_OK && list->n != tables->n) {
        return kg_vocab_refuse(error, "the field \"%s\" has %lu items, but there are %u tokens", key,
                               (unsigned long)list->n, tables->n);
    }
    return status;
}

/* Types are optional: without them all pieces are normal. */
static enum kg_status read_types(struct kg_vocab_tables *tables, struct kg_error *error)
{
    static const uint8_t attributes[] = {
        0, KG_TOKEN_NORMAL, KG_TOKEN_UNKNOWN, KG_TOKEN_CONTROL, KG_TOKEN_USER, KG_TOKEN_UNUSED, KG_TOKEN_BYTE,
    };
    if (!kg_gguf_find(tables->gguf, TYPES)) {
        memset(tables->attributes, KG_TOKEN_NORMAL, tables->n);
        return KG_OK;
    }
    struct kg_gguf_value types;
    enum kg_status status = kg_vocab_read_list(tables, TYPES, KG_GGUF_I32, &types, error);
    for (uint32_t i = 0; status == KG_OK && i < tables->n; i++) {
        uint32_t type = kg_gguf_u32_at(&types, i);
        if (type >= sizeof attributes) {
            return kg_vocab_refuse(error, "item %u of the field \"" TYPES "\" is %d, not from 0 to 6", i, (int)type);
        }
        tables->attributes[i] = attributes[type];
    }
    return status;
}

static enum kg_status read_piece(struct kg_vocab_tables *tables, uint32_t token, struct kg_text text,
                                 struct kg_error *error)
{
    uint64_t at = (uint64_t)(text.data - tables->text);
    if (text.n > KG_PIECE_MAX) {
        return kg_vocab_refuse(error, "item %u of the field \"" TOKENS "\" has %lu bytes, more than %u", token,
                               (unsigned long)text.n, KG_PIECE_MAX);
    }
    if (at > UINT32_MAX) {
        return kg_vocab_refuse(error, "the field \"" TOKENS "\" is larger than 4 GB");
    }
    tables->pieces[token] = (struct kg_piece){(uint32_t)at, (uint32_t)text.n};
    if (text.n) { /* an empty piece keeps its id and is never found */
        uint32_t same = kg_piece_add(tables, token);
        if (same != token) {
            return kg_vocab_refuse(error, "items %u and %u of the field \"" TOKENS "\" are the same", same, token);
        }
    }
    return KG_OK;
}

static enum kg_status take_piece_tables(struct kg_vocab_tables *tables, struct kg_arena *arena, struct kg_error *error)
{
    uint32_t slots = kg_slots_for(tables->n);
    tables->slot_mask = slots - 1;
    tables->pieces = kg_arena_take(arena, (size_t)tables->n * sizeof *tables->pieces);
    tables->attributes = kg_arena_take(arena, tables->n);
    tables->slots = kg_arena_take(arena, (size_t)slots * sizeof *tables->slots);
    tables->powers = kg_arena_take(arena, (KG_PIECE_MAX + 1) * sizeof *tables->powers);
    if (!tables->pieces || !tables->attributes || !tables->slots || !tables->powers) {
        return kg_vocab_no_memory(error);
    }
    memset(tables->slots, 0xFF, (size_t)slots * sizeof *tables->slots); /* KG_NO_TOKEN */
    tables->powers[0] = 1;
    for (uint32_t i = 0; i < KG_PIECE_MAX; i++) {
        tables->powers[i + 1] = tables->powers[i] * KG_HASH_BASE;
    }
    return KG_OK;
}

enum kg_status kg_vocab_read_pieces(struct kg_vocab *vocab, struct kg_vocab_tables *tables, struct kg_arena *arena,
                                    struct kg_error *error)
{
    struct kg_gguf_value list;
    enum kg_status status = kg_gguf_array(tables->gguf, TOKENS, KG_GGUF_STRING, &list, error);
    if (status != KG_OK) {
        return status;
    }
    if (list.n < MIN_TOKENS || list.n > MAX_TOKENS) {
        return kg_vocab_refuse(error, "the field \"" TOKENS "\" has %lu items, not from %u to %u",
                               (unsigned long)list.n, MIN_TOKENS, MAX_TOKENS);
    }
    tables->n = vocab->n_vocab = (uint32_t)list.n;
    tables->text = (const char *)list.data;
    status = take_piece_tables(tables, arena, error);
    const uint8_t *cursor = list.data;
    for (uint32_t i = 0; status == KG_OK && i < tables->n; i++) {
        status = read_piece(tables, i, kg_gguf_next_string(&cursor), error);
        vocab->longest = status == KG_OK && tables->pieces[i].n > vocab->longest ? tables->pieces[i].n : vocab->longest;
    }
    return status == KG_OK ? read_types(tables, error) : status;
}

/* Maps scores to integers in descending order. */
static uint32_t rank_of(float score)
{
    uint32_t bits;
    score += 0.0f; /* -0 is 0 */
    memcpy(&bits, &score, sizeof bits);
    return ~(bits & 0x80000000u ? ~bits : bits | 0x80000000u);
}

enum kg_status kg_vocab_read_scores(struct kg_vocab_tables *tables, struct kg_arena *arena, struct kg_error *error)
{
    struct kg_gguf_value scores;
    enum kg_status status = kg_vocab_read_list(tables, SCORES, KG_GGUF_F32, &scores, error);
    if (status != KG_OK) {
        return status;
    }
    tables->ranks = kg_arena_take(arena, (size_t)tables->n * sizeof *tables->ranks);
    if (!tables->ranks) {
        return kg_vocab_no_memory(error);
    }
    for (uint32_t i = 0; i < tables->n; i++) {
        float score = kg_gguf_f32_at(&scores, i);
        if (score != score) {
            return kg_vocab_refuse(error, "item %u of the field \"" SCORES "\" is not a number", i);
        }
        tables->ranks[i] = rank_of(score);
    }
    return KG_OK;
}

/* Looks up the two parts of a merge and the resulting piece. */
static enum kg_status read_joint(struct kg_vocab_tables *tables, uint32_t rank, struct kg_text text,
                                 struct kg_error *error)
{
    size_t space = 1; /* a piece may begin with a space */
    while (space < text.n && text.data[space] != ' ') {
        space++;
    }
    if (space + 1 >= text.n || text.n > 2 * KG_PIECE_MAX) {
        return kg_vocab_refuse(error, "item %u of the field \"" MERGES "\" is not two pieces with a space between them",
                               rank);
    }
    const char *right_text = text.data + space + 1;
    size_t n_left = space, n_right = text.n - space - 1;
    if (n_left + n_right > KG_PIECE_MAX) {
        return kg_vocab_refuse(error, "item %u of the field \"" MERGES "\" makes a piece of more than %u bytes", rank,
                               KG_PIECE_MAX);
    }
    char whole[KG_PIECE_MAX];
    memcpy(whole, text.data, n_left);
    memcpy(whole + n_left, right_text, n_right);
    uint32_t left_hash = kg_hash(text.data, n_left), right_hash = kg_hash(right_text, n_right);
    struct kg_joint joint = {
        .left = kg_piece_find(tables, left_hash, text.data, n_left),
        .right = kg_piece_find(tables, right_hash, right_text, n_right),
        .joined = kg_piece_find(tables, left_hash * tables->powers[n_right] + right_hash, whole, n_left + n_right),
    };
    if (joint.left == KG_NO_TOKEN || joint.right == KG_NO_TOKEN || joint.joined == KG_NO_TOKEN) {
        return kg_vocab_refuse(error, "item %u of the field \"" MERGES "\": %s is no token", rank,
                               joint.left == KG_NO_TOKEN    ? "its first piece"
                               : joint.right == KG_NO_TOKEN ? "its second piece"
                                                            : "what it makes");
    }
    tables->joints[rank] = joint;
    uint32_t same = kg_joint_add(tables, rank);
    if (same != rank) {
        return kg_vocab_refuse(error, "items %u and %u of the field \"" MERGES "\" are the same", same, rank);
    }
    return KG_OK;
}

enum kg_status kg_vocab_read_joints(struct kg_vocab_tables *tables, struct kg_arena *arena, struct kg_error *error)
{
    struct kg_gguf_value list;
    enum kg_status status = kg_gguf_array(tables->gguf, MERGES, KG_GGUF_STRING, &list, error);
    if (status != KG_OK) {
        return status;
    }
    if (list.n > MAX_MERGES) {
        return kg_vocab_refuse(error, "the field \"" MERGES "\" has %lu items, more than %u", (unsigned long)list.n,
                               MAX_MERGES);
    }
    uint32_t slots = kg_slots_for(list.n);
    tables->n_joints = (uint32_t)list.n;
    tables->joint_mask = slots - 1;
    tables->joints = kg_arena_take(arena, (size_t)list.n * sizeof *tables->joints);
    tables->joint_slots = kg_arena_take(arena, (size_t)slots * sizeof *tables->joint_slots);
    if (!tables->joints || !tables->joint_slots) {
        return kg_vocab_no_memory(error);
    }
    const uint8_t *cursor = list.data;
    for (uint32_t i = 0; status == KG_OK && i < tables->n_joints; i++) {
        status = read_joint(tables, i, kg_gguf_next_string(&cursor), error);
    }
    return status;
}
