/* Tokenizer of a GGUF file: text to tokens and back. Models: byte-level BPE ("gpt2") with its pre-tokenizer,
 * SentencePiece BPE by score ("llama"), characters ("kgpt-char"). Immutable. The tokens equal
 * llama.cpp's. */
#ifndef KGPT_VOCAB_H
#define KGPT_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/error.h"
#include "kgpt/gguf.h"
#include "kgpt/sha256.h"
#include "kgpt/token.h"

/* One piece of a text. Special tokens are parsed in text of the template (`special`), but not in text of the user.
 * Fragments are concatenated before tokenization; only special tokens separate. */
struct kg_fragment {
    const char *text;
    size_t n;
    bool special;
};

struct kg_vocab_tables; /* private to tokenizer/: strings, types, scores, hash tables, merges */

struct kg_vocab {
    const struct kg_vocab_tables *tables;
    uint32_t n_vocab;
    uint32_t longest;                     /* bytes of the longest piece */
    uint32_t bos, eos, eot, unk, newline; /* KG_NO_TOKEN if absent */
    uint32_t first;                       /* an empty text begins with it: BOS; without BOS, of characters only: "\n",
                                           * or else token 0 */
    bool add_bos, add_eos;                /* the file's flags for texts in general */
    bool has_end;                         /* some token ends a generation; false for a running text */
    const char *model;                    /* "gpt2", "llama", "kgpt-char" */
    const char *pre;                      /* the pre-tokenizer: "smollm", "qwen2", …; "" if none */
};

/* Upper bound of the scratch bytes that kg_vocab_encode needs for a text of `n` bytes. */
uint64_t kg_vocab_scratch(const struct kg_vocab *vocab, size_t n);

/* Opens the tokenizer. Refusals name the unsupported tokenizer or pre-tokenizer, the arrays of different lengths, an
 * id outside the vocabulary, a merge of an unknown piece, or a duplicate piece. */
enum kg_status kg_vocab_open(struct kg_vocab *vocab, const struct kg_gguf *gguf, struct kg_arena *arena,
                             struct kg_error *error);

/* Encodes fragments without BOS and EOS, which callers add. Stores the first `room` tokens, and the number of all in
 * *count. Invalid UTF-8 is treated as in llama.cpp. `scratch` is rewound. */
enum kg_status kg_vocab_encode(const struct kg_vocab *vocab, const struct kg_fragment *fragments, size_t n_fragments,
                               uint32_t *tokens, size_t room, size_t *count, struct kg_arena *scratch,
                               struct kg_error *error);

/* Encodes a text of `n` bytes that continues a word: SentencePiece adds no space before it. */
enum kg_status kg_vocab_encode_rest(const struct kg_vocab *vocab, const char *text, size_t n, uint32_t *tokens,
                                    size_t room, size_t *count, struct kg_arena *scratch, struct kg_error *error);

/* Text as llama2.c's run.c takes and prints it, where the vocabulary is SentencePiece's and has a BOS.
 * kg_vocab_encode_llama2c encodes a text with its BOS; otherwise it is like kg_vocab_encode. kg_vocab_piece_llama2c
 * writes what run.c prints of `token` behind the token `before`; vocab->longest bytes suffice. */
bool kg_vocab_has_llama2c(const struct kg_vocab *vocab);
enum kg_status kg_vocab_encode_llama2c(const struct kg_vocab *vocab, const char *text, size_t n, uint32_t *tokens,
                                       size_t room, size_t *count, struct kg_arena *scratch, struct kg_error *error);
size_t kg_vocab_piece_llama2c(const struct kg_vocab *vocab, uint32_t before, uint32_t token, char *out);

/* Writes the bytes of a token to `out` (vocab->longest bytes suffice) and returns their number. Special tokens have
 * none unless `special` is set. A token may be part of a character. */
size_t kg_vocab_piece(const struct kg_vocab *vocab, uint32_t token, char *out, bool special);

/* The bytes of all pieces together, or a little more. */
size_t kg_vocab_bytes(const struct kg_vocab *vocab);

/* True if the token ends a generation: EOS, EOT, EOM, or another end token by llama.cpp's rules. */
bool kg_vocab_ends(const struct kg_vocab *vocab, uint32_t token);

/* The token of exactly this piece, or KG_NO_TOKEN. */
uint32_t kg_vocab_find(const struct kg_vocab *vocab, const char *piece, size_t n);

/* KG_E_INPUT, with the first difference, unless a draft model's vocabulary has the same pieces by the same numbers. */
enum kg_status kg_vocab_check_same(const struct kg_vocab *vocab, const struct kg_vocab *draft, struct kg_error *error);

/* SHA-256 of what kg_vocab_check_same compares. `features`: enum kg_cpu_feature. */
void kg_vocab_hash(const struct kg_vocab *vocab, uint32_t features, uint8_t digest[KG_SHA256_SIZE]);

/* Names of the supported tokenizers and pre-tokenizers, ended by NULL. The host uses them to refuse a model early. */
extern const char *const kg_vocab_models[];
extern const char *const kg_vocab_pre[];

#endif
