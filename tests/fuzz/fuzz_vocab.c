/* Fuzzes tokenizers from any GGUF file with any text. The last byte is the length of the text before it; the rest is
 * the file. */
#include <stdlib.h>
#include <string.h>

#include "kgpt/vocab.h"
#include "promise.h"

#define TABLES_SIZE (64u << 10) /* of any vocabulary; each byte of the file adds at most eight */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refusal(enum kg_status status, const struct kg_error *error)
{
    /* KG_E_MEMORY must not occur: the arena suffices for any file of this size, and kg_vocab_scratch gives the
     * scratch size. */
    promise(status == KG_E_INPUT);
    promise(error->message[0] && error->hint[0]);
    for (const char *c = error->message; *c; c++) {
        promise((unsigned char)*c >= 0x20 && *c != 0x7F);
    }
}

/* Every id is a token or none, and no piece exceeds the longest. */
static void check_pieces(const struct kg_vocab *vocab)
{
    const uint32_t ids[] = {vocab->bos, vocab->eos, vocab->eot, vocab->unk, vocab->newline};
    char *piece = malloc(vocab->longest ? vocab->longest : 1);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        promise(ids[i] < vocab->n_vocab || ids[i] == KG_NO_TOKEN);
    }
    for (uint32_t token = 0; token <= vocab->n_vocab; token++) { /* one past the end */
        size_t hidden = kg_vocab_piece(vocab, token, piece, false), shown = kg_vocab_piece(vocab, token, piece, true);
        promise(hidden <= shown && shown <= vocab->longest && (hidden == 0 || hidden == shown));
        uint32_t found = kg_vocab_find(vocab, piece, shown);
        promise(found < vocab->n_vocab || found == KG_NO_TOKEN);
        promise(!kg_vocab_ends(vocab, token) || token < vocab->n_vocab);
        promise(kg_vocab_piece_llama2c(vocab, vocab->bos, token, piece) <= vocab->longest);
    }
    free(piece);
}

/* The first half comes from a template, the second half from a user. */
static void encode(const struct kg_vocab *vocab, const char *text, size_t n)
{
    const struct kg_fragment fragments[] = {{text, n / 2, true}, {text + n / 2, n - n / 2, false}};
    struct kg_arena scratch;
    struct kg_error error;
    size_t count, again, room = 4 * n + 4;
    uint32_t *tokens = malloc(room * sizeof *tokens);
    kg_arena_init(&scratch, NULL, kg_vocab_scratch(vocab, n));
    enum kg_status status = kg_vocab_encode(vocab, fragments, 2, tokens, room, &count, &scratch, &error);
    promise(scratch.used == 0);
    if (status == KG_OK) {
        promise(count <= room);
        for (size_t i = 0; i < count; i++) {
            promise(tokens[i] < vocab->n_vocab);
        }
        promise(kg_vocab_encode(vocab, fragments, 2, NULL, 0, &again, &scratch, &error) == KG_OK && again == count);
    } else {
        check_refusal(status, &error);
    }
    kg_arena_rewind(&scratch, 0);
    free(tokens);
}

static void encode_as_llama2c(const struct kg_vocab *vocab, const char *text, size_t n)
{
    struct kg_arena scratch;
    struct kg_error error;
    size_t count, room = n + 2; /* BOS, the space before the text, and a token for each byte */
    uint32_t *tokens = malloc(room * sizeof *tokens);
    if (kg_vocab_has_llama2c(vocab)) {
        kg_arena_init(&scratch, NULL, kg_vocab_scratch(vocab, n));
        enum kg_status status = kg_vocab_encode_llama2c(vocab, text, n, tokens, room, &count, &scratch, &error);
        promise(status == KG_OK && scratch.used == 0 && count >= 1 && count <= room);
        for (size_t i = 0; i < count; i++) {
            promise(tokens[i] < vocab->n_vocab);
        }
        kg_arena_rewind(&scratch, 0);
    }
    free(tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kg_arena header, arena;
    struct kg_gguf gguf;
    struct kg_vocab vocab;
    struct kg_error error = {0};
    if (size == 0) {
        return 0;
    }
    size_t text_n = data[size - 1] < size ? data[size - 1] : 0, file_n = size - 1 - text_n;
    kg_arena_init(&header, NULL, 4 * file_n + 512); /* see gguf_walk.c */
    kg_arena_init(&arena, NULL, 0);
    if (kg_gguf_open(&gguf, data, file_n, &header, &error) == KG_OK) {
        kg_arena_init(&arena, NULL, 8 * file_n + TABLES_SIZE);
        enum kg_status status = kg_vocab_open(&vocab, &gguf, &arena, &error);
        if (status == KG_OK) {
            check_pieces(&vocab);
            encode(&vocab, (const char *)data + file_n, text_n);
            encode_as_llama2c(&vocab, (const char *)data + file_n, text_n);
        } else {
            check_refusal(status, &error);
        }
    }
    kg_arena_rewind(&arena, 0);
    kg_arena_rewind(&header, 0);
    return 0;
}
