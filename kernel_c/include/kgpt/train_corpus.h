/* The documents that a model is trained on, as token ids. Immutable once read. */
#ifndef KGPT_TRAIN_CORPUS_H
#define KGPT_TRAIN_CORPUS_H

#include <stddef.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/error.h"

struct kg_corpus {
    const uint32_t *tokens; /* document i is tokens[start[i] .. start[i + 1]): characters, without BOS */
    const uint32_t *start;  /* (n_documents + 1) */
    uint32_t n_documents;
    uint32_t n_tokens;
    const uint32_t *chars; /* (n_chars): the distinct code points in ascending order; token i is chars[i] */
    uint32_t n_chars;
    uint32_t bos_id;       /* n_chars: starts and ends a document */
    uint32_t n_vocab;      /* n_chars + 1 */
    uint32_t longest;      /* characters of the longest document */
    uint32_t longest_line; /* line number of the longest document, from 1 */
};

/* Reads `n` bytes of UTF-8 and skips a byte order mark. `text` may be freed afterwards.
 * `block` 0: each line is a document. \n, \r\n or \r end a line. White space around a line (as for Python's
 * str.strip) is removed; empty lines are skipped.
 * Otherwise every `block` characters of the text are a document; \r\n and \r count as \n.
 * KG_E_INPUT, with the line number, if the text is not UTF-8, has no documents or only one distinct character.
 * KG_E_MEMORY if the arena is full. */
enum kg_status kg_corpus_read(struct kg_corpus *corpus, const char *text, size_t n, uint32_t block,
                              struct kg_arena *arena, struct kg_error *error);

/* Decodes tokens to text; BOS has none. Writes at most size - 1 bytes of whole characters and a NUL. Returns the
 * length of the untruncated text. */
size_t kg_corpus_text(const struct kg_corpus *corpus, const uint32_t *tokens, uint32_t n_tokens, char *out,
                      size_t size);

#endif
