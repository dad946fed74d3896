/* Tokenizer of a microgpt: text to tokens and back. Immutable. */
#ifndef KGPT_TOKENIZER_H
#define KGPT_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "kgpt/error.h"

struct kg_tokenizer {
    const uint32_t *offset; /* (n_vocab + 1): token i is text[offset[i] .. offset[i + 1]) */
    const char *text;
    uint32_t n_vocab;
    uint32_t bos_id;  /* starts and ends a document; it has no text */
    uint32_t longest; /* bytes of the longest token */
};

/* Opens a `table` of `size` bytes: uint32_t offset[n_vocab + 1], then the text. Refuses offsets outside the table. */
enum kg_status kg_tokenizer_open(struct kg_tokenizer *tokenizer, const void *table, uint64_t size, uint32_t n_vocab,
                                 uint32_t bos_id, struct kg_error *error);

/* Greedy longest match. Stores the first `room` tokens, and the number of all tokens in *count. KG_E_INPUT names a
 * character that is not in the vocabulary. */
enum kg_status kg_tokenizer_encode(const struct kg_tokenizer *tokenizer, const char *text, uint32_t *tokens,
                                   size_t room, size_t *count, struct kg_error *error);

/* The bytes of a token (not NUL-terminated); *n is 0 for BOS. */
const char *kg_tokenizer_decode(const struct kg_tokenizer *tokenizer, uint32_t token, size_t *n);

#endif
