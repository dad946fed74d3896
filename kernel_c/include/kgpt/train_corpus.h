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
    uint32_t longest_line; /* where it stands, from 1 */
};

/* Reads UTF-8, of which `text` has n bytes; it is not needed afterwards. A byte order mark before it is skipped.
 * `block` 0: one document a line. A line ends with \n, \r\n or \r; white space (as Python's str.strip knows it) around
 * it does not count, nor do lines that have nothing else. Else one running text, of which every `block` characters are
 * a document; \r\n and \r count as \n. KG_E_INPUT with the number of the line: not UTF-8; no document at all; one
 * distinct character. KG_E_MEMORY. */
enum kg_status kg_corpus_read(struct kg_corpus *corpus, const char *text, size_t n, uint32_t block,
                              struct kg_arena *arena, struct kg_error *error);

/* The text of tokens; BOS has none. Writes at most size - 1 bytes of whole characters and a NUL; returns the length
 * that the whole text would have. */
size_t kg_corpus_text(const struct kg_corpus *corpus, const uint32_t *tokens, uint32_t n_tokens, char *out,
                      size_t size);

#endif
