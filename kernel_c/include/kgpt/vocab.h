/* Text to tokens and back, by the tokenizer of a GGUF file: byte-level BPE ("gpt2") with its pre-tokenizer,
 * SentencePiece BPE by score ("llama"), or microgpt's characters ("kgpt-char"). Immutable once it is open. The
 * tokens are llama.cpp's. */
#ifndef KGPT_VOCAB_H
#define KGPT_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/error.h"
#include "kgpt/gguf.h"
#include "kgpt/token.h"

/* One piece of a text: what a template puts there, in which special tokens are looked for, or what somebody has
 * typed, in which they are not. Text runs on from piece to piece: only special tokens cut it. */
struct kg_fragment {
    const char *text;
    size_t n;
    bool special;
};

struct kg_vocab_tables; /* tokenizer/vocab.c's own: strings, types, scores, hash tables, merges */

struct kg_vocab {
    const struct kg_vocab_tables *tables;
    uint32_t n_vocab;
    uint32_t longest;                     /* bytes of the longest piece */
    uint32_t bos, eos, eot, unk, newline; /* KG_NO_TOKEN where there is none */
    bool add_bos, add_eos;                /* what the file says of texts in general */
    const char *model;                    /* "gpt2", "llama", "kgpt-char" */
    const char *pre;                      /* the pre-tokenizer: "smollm", "qwen2", …; "" without one */
};

/* Bytes that kg_vocab_encode takes from its scratch, at most, for a text of `n` bytes. */
uint64_t kg_vocab_scratch(const struct kg_vocab *vocab, size_t n);

/* Refuses by name what is not supported or does not fit together: tokenizer, pre-tokenizer, lists of different
 * lengths, ids beyond the vocabulary, merges of pieces that do not exist, the same piece twice where it matters. */
enum kg_status kg_vocab_open(struct kg_vocab *vocab, const struct kg_gguf *gguf, struct kg_arena *arena,
                             struct kg_error *error);

/* The fragments as tokens, without BOS and EOS (callers add these). Stores the first `room`, counts all in *count.
 * Invalid UTF-8 is taken as llama.cpp takes it. `scratch` is rewound. */
enum kg_status kg_vocab_encode(const struct kg_vocab *vocab, const struct kg_fragment *fragments, size_t n_fragments,
                               uint32_t *tokens, size_t room, size_t *count, struct kg_arena *scratch,
                               struct kg_error *error);

/* The same of a text of `n` bytes that goes on in a word: SentencePiece puts no space before it. */
enum kg_status kg_vocab_encode_rest(const struct kg_vocab *vocab, const char *text, size_t n, uint32_t *tokens,
                                    size_t room, size_t *count, struct kg_arena *scratch, struct kg_error *error);

/* The bytes of a token into `out` (vocab->longest always suffices); their number. Special tokens have none unless
 * `special`. A token may be part of a character. */
size_t kg_vocab_piece(const struct kg_vocab *vocab, uint32_t token, char *out, bool special);

/* Does a generation end here: EOS, EOT, EOM, or a piece that llama.cpp counts among these? */
bool kg_vocab_ends(const struct kg_vocab *vocab, uint32_t token);

/* The token of exactly this piece, or KG_NO_TOKEN. */
uint32_t kg_vocab_find(const struct kg_vocab *vocab, const char *piece, size_t n);

/* Are these tables for a tokenizer and pre-tokenizer of these names? For refusals on the host; NULL-ended lists. */
extern const char *const kg_vocab_models[];
extern const char *const kg_vocab_pre[];

#endif
