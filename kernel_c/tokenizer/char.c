/* Tokenizer for vocabularies of whole characters: see kgpt/tokenizer.h. */
#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"
#include "kgpt/tokenizer.h"
#include "kgpt/utf8.h"

#define KG_NO_TOKEN UINT32_MAX

static size_t token_length(const struct kg_tokenizer *tokenizer, uint32_t token)
{
    return tokenizer->offset[token + 1] - tokenizer->offset[token];
}

enum kg_status kg_tokenizer_open(struct kg_tokenizer *tokenizer, const void *table, uint64_t size, uint32_t n_vocab,
                                 uint32_t bos_id, struct kg_error *error)
{
    uint64_t table_size = 4 * ((uint64_t)n_vocab + 1);
    if (table_size > size || bos_id >= n_vocab) {
        return kg_error_set(error, KG_E_INPUT, "the model's vocabulary of %u tokens does not fit its %lu bytes",
                            n_vocab, (unsigned long)size);
    }
    *tokenizer = (struct kg_tokenizer){
        .offset = table,
        .text = (const char *)table + table_size,
        .n_vocab = n_vocab,
        .bos_id = bos_id,
    };
    for (uint32_t i = 0; i < n_vocab; i++) {
        if (tokenizer->offset[i] > tokenizer->offset[i + 1] || tokenizer->offset[i + 1] > size - table_size) {
            return kg_error_set(error, KG_E_INPUT, "token %u of the model's vocabulary lies outside of it", i);
        }
        size_t length = token_length(tokenizer, i);
        tokenizer->longest = length > tokenizer->longest ? (uint32_t)length : tokenizer->longest;
    }
    return KG_OK;
}

static uint32_t longest_character(const struct kg_tokenizer *tokenizer, const char *text, size_t n)
{
    uint32_t best = KG_NO_TOKEN;
    size_t best_length = 0;
    for (uint32_t i = 0; i < tokenizer->n_vocab; i++) {
        size_t length = token_length(tokenizer, i);
        if (length > best_length && length <= n && memcmp(text, tokenizer->text + tokenizer->offset[i], length) == 0) {
            best = i;
            best_length = length;
        }
    }
    return best;
}

/* Reports the character at `at`, literally if it is printable. */
static enum kg_status refuse_character(const char *text, size_t at, size_t n, struct kg_error *error)
{
    size_t length = kg_utf8_length(text + at, n - at);
    if (length == 0) {
        kg_error_set(error, KG_E_INPUT, "byte 0x%02x at %zu of the prompt is not UTF-8", (unsigned)(uint8_t)text[at],
                     at);
    } else if (length == 1 && (text[at] < 0x20 || text[at] == 0x7F)) {
        kg_error_set(error, KG_E_INPUT, "character U+%04X at byte %zu of the prompt is not in the model's vocabulary",
                     kg_utf8_code(text + at, length), at);
    } else {
        kg_error_set(error, KG_E_INPUT,
                     "character '%.*s' (U+%04X) at byte %zu of the prompt is not in the model's vocabulary",
                     (int)length, text + at, kg_utf8_code(text + at, length), at);
    }
    kg_error_hint(error, "use only characters that the model was trained on; `model` in the shell lists them");
    return KG_E_INPUT;
}

enum kg_status kg_tokenizer_encode(const struct kg_tokenizer *tokenizer, const char *text, uint32_t *tokens,
                                   size_t room, size_t *count, struct kg_error *error)
{
    size_t n = kg_strlen(text);
    *count = 0;
    for (size_t at = 0; at < n;) {
        uint32_t token = longest_character(tokenizer, text + at, n - at);
        if (token == KG_NO_TOKEN) {
            return refuse_character(text, at, n, error);
        }
        if (*count < room) {
            tokens[*count] = token;
        }
        (*count)++;
        at += token_length(tokenizer, token);
    }
    return KG_OK;
}

const char *kg_tokenizer_decode(const struct kg_tokenizer *tokenizer, uint32_t token, size_t *n)
{
    *n = token_length(tokenizer, token);
    return tokenizer->text + tokenizer->offset[token];
}
