/* Compares two vocabularies: see kgpt/vocab.h. kgpt_build/models/gguf/vocab.py does the same. */
#include "kgpt/mem.h"
#include "kgpt/str.h"
#include "kgpt/utf8.h"
#include "vocab_tables.h"

#define SHOWN 32 /* bytes of a piece in a message */

/* The beginning of a piece, in whole characters. */
struct shown_piece {
    char text[SHOWN + 1];
};

static struct shown_piece show_piece(const struct kg_vocab *vocab, uint32_t token)
{
    struct shown_piece shown = {{0}};
    const char *text = kg_piece_text(vocab->tables, token);
    size_t n = vocab->tables->pieces[token].n, at = 0, length;
    while (at < n && (length = kg_utf8_length(text + at, n - at)) > 0 && at + length <= SHOWN) {
        at += length;
    }
    memcpy(shown.text, text, at);
    return shown;
}

static bool is_same_piece(const struct kg_vocab *a, const struct kg_vocab *b, uint32_t token)
{
    size_t n = a->tables->pieces[token].n;
    return n == b->tables->pieces[token].n &&
           memcmp(kg_piece_text(a->tables, token), kg_piece_text(b->tables, token), n) == 0;
}

void kg_vocab_hash(const struct kg_vocab *vocab, uint32_t features, uint8_t digest[KG_SHA256_SIZE])
{
    struct kg_sha256 sha;
    kg_sha256_begin(&sha, features);
    kg_sha256_add(&sha, vocab->model, kg_strlen(vocab->model) + 1);
    for (uint32_t token = 0; token < vocab->n_vocab; token++) {
        uint32_t n = vocab->tables->pieces[token].n;
        kg_sha256_add(&sha, &n, sizeof n);
        kg_sha256_add(&sha, kg_piece_text(vocab->tables, token), n);
    }
    kg_sha256_end(&sha, digest);
}

enum kg_status kg_vocab_check_same(const struct kg_vocab *vocab, const struct kg_vocab *draft, struct kg_error *error)
{
    uint32_t token = 0;
    if (!kg_streq(vocab->model, draft->model)) {
        kg_error_set(error, KG_E_INPUT, "the draft model has the tokenizer \"%s\", and the model \"%s\"", draft->model,
                     vocab->model);
    } else if (vocab->n_vocab != draft->n_vocab) {
        kg_error_set(error, KG_E_INPUT, "the draft model has %u tokens, and the model %u", draft->n_vocab,
                     vocab->n_vocab);
    } else {
        while (token < vocab->n_vocab && is_same_piece(vocab, draft, token)) {
            token++;
        }
        if (token == vocab->n_vocab) {
            return KG_OK;
        }
        kg_error_set(error, KG_E_INPUT, "token %u is \"%s\" of the draft model, and \"%s\" of the model", token,
                     show_piece(draft, token).text, show_piece(vocab, token).text);
    }
    kg_error_hint(error, "a draft model needs the vocabulary of the model: take a smaller one of the same family");
    return KG_E_INPUT;
}
