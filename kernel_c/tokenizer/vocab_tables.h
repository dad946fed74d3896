/* A vocabulary from the inside: what the files that open it and those that encode with it share. */
#ifndef KGPT_TOKENIZER_VOCAB_TABLES_H
#define KGPT_TOKENIZER_VOCAB_TABLES_H

#include "kgpt/vocab.h"
#include "pretokenize.h"

#define KG_PIECE_MAX \
    4096u /* bytes of a piece: keeps tables and comparisons small; real ones have at most a few hundred */
#define KG_TEXT_MAX (UINT32_MAX / 8) /* bytes of a text to encode: positions and sizes stay within 32 bits */

enum kg_vocab_kind { KG_VOCAB_BPE, KG_VOCAB_SPM, KG_VOCAB_CHAR };

/* What a token is. The first six are llama.cpp's; one without any of them is undefined. */
#define KG_TOKEN_UNKNOWN 0x01u
#define KG_TOKEN_UNUSED 0x02u
#define KG_TOKEN_NORMAL 0x04u
#define KG_TOKEN_CONTROL 0x08u
#define KG_TOKEN_USER 0x10u
#define KG_TOKEN_BYTE 0x20u
#define KG_TOKEN_ENDS 0x40u                                                    /* a generation */
#define KG_TOKEN_STRIPS 0x80u                                                  /* the white space that follows it */
#define KG_TOKEN_SPECIAL (KG_TOKEN_UNKNOWN | KG_TOKEN_CONTROL | KG_TOKEN_USER) /* cuts a text */
#define KG_TOKEN_HIDDEN (KG_TOKEN_UNKNOWN | KG_TOKEN_CONTROL)                  /* has no text of its own */

struct kg_piece {
    uint32_t at, n; /* bytes, from the first string of the file's list */
};

struct kg_slot {
    uint32_t hash;
    uint32_t token; /* KG_NO_TOKEN: the slot is free */
};

struct kg_joint {
    uint32_t left, right, joined; /* tokens */
};

struct kg_vocab_tables {
    enum kg_vocab_kind kind;
    const struct kg_gguf *gguf;
    uint32_t n;
    const char *text;        /* what pieces lie in: the file */
    struct kg_piece *pieces; /* (n) */
    uint8_t *attributes;     /* (n) */
    struct kg_slot *slots;   /* (slot_mask + 1) pieces by hash */
    uint32_t slot_mask;
    uint32_t *powers;         /* (KG_PIECE_MAX + 1) of the hash's base */
    uint32_t byte_token[256]; /* KG_NO_TOKEN where there is none */

    /* What cuts texts: in order of length, longest first. */
    uint16_t *lengths; /* (n_lengths), each once */
    uint32_t n_lengths;
    uint64_t first_bytes[4]; /* a bit for each byte that such a piece begins with */

    /* Byte-level BPE */
    const struct kg_pre *pre;
    struct kg_joint *joints; /* (n_joints), by rank */
    uint32_t n_joints;
    uint32_t *joint_slots; /* (joint_mask + 1) rank + 1; 0: free */
    uint32_t joint_mask;

    /* SentencePiece */
    uint32_t *ranks; /* (n): of higher scores the lower */
    bool add_space_prefix;
};

/* vocab_hash.c: a hash that parts of a text can be looked up by without reading them again. */
#define KG_HASH_BASE 0x2C9277B5u
static inline uint32_t kg_hash_add(uint32_t hash, uint8_t byte)
{
    return hash * KG_HASH_BASE + byte + 1;
}
uint32_t kg_hash(const char *text, size_t n);

/* hashes[i] is that of the first i bytes; (n + 1). */
void kg_hash_all(const char *text, uint32_t n, uint32_t *hashes);
static inline uint32_t kg_hash_part(const struct kg_vocab_tables *tables, const uint32_t *hashes, uint32_t at,
                                    uint32_t n)
{
    return hashes[at + n] - hashes[at] * tables->powers[n];
}

static inline const char *kg_piece_text(const struct kg_vocab_tables *tables, uint32_t token)
{
    return tables->text + tables->pieces[token].at;
}

/* The token of these n <= KG_PIECE_MAX bytes with this hash, or KG_NO_TOKEN. Adding one returns it, or the token that is the same. */
uint32_t kg_piece_add(struct kg_vocab_tables *tables, uint32_t token);
uint32_t kg_piece_find(const struct kg_vocab_tables *tables, uint32_t hash, const char *text, size_t n);

/* The rank of joining two tokens, or UINT32_MAX. Adding one returns its rank, or that of the same pair. */
uint32_t kg_joint_add(struct kg_vocab_tables *tables, uint32_t rank);
uint32_t kg_joint_find(const struct kg_vocab_tables *tables, uint32_t left, uint32_t right);

/* Slots for n items: a power of two, at most half of them used. */
uint32_t kg_slots_for(uint64_t n);

/* vocab_read.c, vocab_joints.c, vocab_special.c: the parts of kg_vocab_open, in this order. */
enum kg_status kg_vocab_read_pieces(struct kg_vocab *vocab, struct kg_vocab_tables *tables, struct kg_arena *arena,
                                    struct kg_error *error);
enum kg_status kg_vocab_read_scores(struct kg_vocab_tables *tables, struct kg_arena *arena, struct kg_error *error);
enum kg_status kg_vocab_read_joints(struct kg_vocab_tables *tables, struct kg_arena *arena, struct kg_error *error);
enum kg_status kg_vocab_read_special(struct kg_vocab *vocab, struct kg_vocab_tables *tables, struct kg_arena *arena,
                                     struct kg_error *error);

/* KG_E_INPUT with the hint that the model needs converting anew; KG_E_MEMORY. */
enum kg_status kg_vocab_refuse(struct kg_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
enum kg_status kg_vocab_no_memory(struct kg_error *error);

/* vocab_special.c: where special tokens are in a text. */

/* What an encoding writes to. */
struct kg_tokens {
    uint32_t *tokens;
    size_t room, count;
};

static inline void kg_tokens_add(struct kg_tokens *out, uint32_t token)
{
    if (out->count < out->room) {
        out->tokens[out->count] = token;
    }
    out->count++;
}

/* bpe.c, spm.c: n >= 1 bytes of text without special tokens, and counting what that takes of an arena at most.
 * SentencePiece puts a space before a text that follows a special token, or nothing. KG_E_MEMORY. */
void kg_bpe_count(uint64_t n, struct kg_arena *counted);
enum kg_status kg_bpe_encode(const struct kg_vocab_tables *tables, const char *text, uint32_t n, struct kg_tokens *out,
                             struct kg_arena *scratch);
void kg_spm_count(uint64_t n, struct kg_arena *counted);
enum kg_status kg_spm_encode(const struct kg_vocab_tables *tables, const char *text, uint32_t n, bool first,
                             struct kg_tokens *out, struct kg_arena *scratch);

/* vocab_char.c: the same for microgpt's characters. KG_E_INPUT names one that is not in the vocabulary. */
enum kg_status kg_char_encode(const struct kg_vocab *vocab, const char *text, uint32_t n, struct kg_tokens *out,
                              struct kg_error *error);
#endif
