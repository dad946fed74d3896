/* Internals of a vocabulary, shared by the files that open it and encode with it. */
#ifndef KGPT_TOKENIZER_VOCAB_TABLES_H
#define KGPT_TOKENIZER_VOCAB_TABLES_H

#include "kgpt/vocab.h"
#include "pretokenize.h"

#define KG_PIECE_MAX 4096u /* bytes of a piece: bounds tables and comparisons; real pieces have at most a few hundred */
#define KG_TEXT_MAX (UINT32_MAX / 8) /* bytes of a text to encode: keeps positions and sizes within 32 bits */

enum kg_vocab_kind { KG_VOCAB_BPE, KG_VOCAB_SPM, KG_VOCAB_CHAR };

/* Attributes of a token. The first six are llama.cpp's; a token without any is undefined. */
#define KG_TOKEN_UNKNOWN 0x01u
#define KG_TOKEN_UNUSED 0x02u
#define KG_TOKEN_NORMAL 0x04u
#define KG_TOKEN_CONTROL 0x08u
#define KG_TOKEN_USER 0x10u
#define KG_TOKEN_BYTE 0x20u
#define KG_TOKEN_ENDS 0x40u                                                    /* ends a generation */
#define KG_TOKEN_STRIPS 0x80u                                                  /* strips the white space after it */
#define KG_TOKEN_SPECIAL (KG_TOKEN_UNKNOWN | KG_TOKEN_CONTROL | KG_TOKEN_USER) /* separates text */
#define KG_TOKEN_HIDDEN (KG_TOKEN_UNKNOWN | KG_TOKEN_CONTROL)                  /* has no visible text */

struct kg_piece {
    uint32_t at, n; /* offset from the first string of the file's list; bytes */
};

struct kg_slot {
    uint32_t hash;
    uint32_t token; /* KG_NO_TOKEN: the slot is free */
};

struct kg_joint {
    uint32_t left, right, joined; /* tokens */
};

/* nfc.c: tables of Unicode's normal form C, in the file. */
struct kg_nfc {
    bool used; /* a text is brought into it before it is cut into words */
    struct kg_gguf_value decompositions, compositions, classes;
};

struct kg_vocab_tables {
    enum kg_vocab_kind kind;
    const struct kg_gguf *gguf;
    uint32_t n;
    const char *text;        /* base of the pieces: inside the file */
    struct kg_piece *pieces; /* (n) */
    uint8_t *attributes;     /* (n) */
    struct kg_slot *slots;   /* (slot_mask + 1): hash table of pieces */
    uint32_t slot_mask;
    uint32_t *powers;         /* (KG_PIECE_MAX + 1): powers of the hash base */
    uint32_t byte_token[256]; /* KG_NO_TOKEN: none */

    /* Lengths of the pieces that separate text, longest first. */
    uint16_t *lengths; /* (n_lengths), distinct */
    uint32_t n_lengths;
    uint64_t first_bytes[4]; /* bitmap of the first bytes of these pieces */

    /* Byte-level BPE */
    const struct kg_pre *pre;
    struct kg_joint *joints; /* (n_joints), by rank */
    uint32_t n_joints;
    uint32_t *joint_slots; /* (joint_mask + 1): rank + 1; 0: free */
    uint32_t joint_mask;
    bool ignore_merges; /* a word that is a piece is not built by merges */
    struct kg_nfc nfc;
    struct kg_gguf_value cases; /* without items: only ASCII letters have a case */
    bool long_s;                /* U+017F counts as an s in contractions */
    bool drops_missing;         /* bytes that no piece has are dropped before the merges, not after them */

    /* SentencePiece */
    uint32_t *ranks; /* (n): the lower, the higher the score */
    bool add_space_prefix;
    bool prefix_once;  /* only at the beginning of a text, not after special tokens too */
    bool prefix_words; /* not before a space; byte-level BPE adds a space only if this is set */
    bool by_merges;    /* pieces are joined by `joints`, not by `ranks` */
    bool strips_any;   /* tokens with KG_TOKEN_STRIPS strip all white space of Unicode, not only that of ASCII */
    bool splits_words; /* no pair of the merges crosses the beginning of a word */
};

/* vocab_hash.c: a polynomial hash. The hash of a substring follows from two prefix hashes, without reading the text. */
#define KG_HASH_BASE 0x2C9277B5u
static inline uint32_t kg_hash_add(uint32_t hash, uint8_t byte)
{
    return hash * KG_HASH_BASE + byte + 1;
}
uint32_t kg_hash(const char *text, size_t n);

/* hashes[i] is the hash of the first i bytes; (n + 1). */
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

/* The token with these n <= KG_PIECE_MAX bytes and this hash, or KG_NO_TOKEN. kg_piece_add returns the token that it
 * added, or an equal one. */
uint32_t kg_piece_add(struct kg_vocab_tables *tables, uint32_t token);
uint32_t kg_piece_find(const struct kg_vocab_tables *tables, uint32_t hash, const char *text, size_t n);

/* The rank of a merge of two tokens, or UINT32_MAX. kg_joint_add returns the rank that it added, or that of an equal
 * pair. */
uint32_t kg_joint_add(struct kg_vocab_tables *tables, uint32_t rank);
uint32_t kg_joint_find(const struct kg_vocab_tables *tables, uint32_t left, uint32_t right);

/* Slots for n items: a power of two, at most half full. */
uint32_t kg_slots_for(uint64_t n);

/* vocab_read.c and vocab_special.c: the steps of kg_vocab_open, in this order. */
enum kg_status kg_vocab_read_list(const struct kg_vocab_tables *tables, const char *key, uint32_t kind,
                                  struct kg_gguf_value *list, struct kg_error *error);
enum kg_status kg_vocab_read_pieces(struct kg_vocab *vocab, struct kg_vocab_tables *tables, struct kg_arena *arena,
                                    struct kg_error *error);
enum kg_status kg_vocab_read_scores(struct kg_vocab_tables *tables, struct kg_arena *arena, struct kg_error *error);
enum kg_status kg_vocab_read_joints(struct kg_vocab_tables *tables, struct kg_arena *arena, struct kg_error *error);
enum kg_status kg_vocab_read_special(struct kg_vocab *vocab, struct kg_vocab_tables *tables, struct kg_arena *arena,
                                     struct kg_error *error);

/* KG_E_INPUT with the hint to convert the model again; KG_E_MEMORY. */
enum kg_status kg_vocab_refuse(struct kg_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
enum kg_status kg_vocab_no_memory(struct kg_error *error);

/* nfc.c: the file's tables, checked: rows ascend, and no character grows to more than KG_NFC_GROWTH times its bytes.
 * kg_nfc_apply changes n characters in place and returns their new number; `chars` and `spare` have room for
 * KG_NFC_GROWTH times the bytes of the text. */
#define KG_NFC_GROWTH 3u
enum kg_status kg_nfc_read(struct kg_nfc *nfc, const struct kg_gguf *gguf, struct kg_error *error);
uint32_t kg_nfc_apply(const struct kg_nfc *nfc, uint32_t *chars, uint32_t n, uint32_t *spare);

/* cases.c: the file's table of cases, checked; kg_cases_mark gives a character its marks by it. */
enum kg_status kg_cases_read(struct kg_gguf_value *cases, const struct kg_gguf *gguf, struct kg_error *error);
uint32_t kg_cases_mark(const struct kg_gguf_value *cases, uint32_t character);

/* Output of an encoding. */
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

/* SentencePiece's mark for a space: U+2581. */
#define KG_SPACE_MARK "\xE2\x96\x81"
#define KG_SPACE_MARK_BYTES 3u

/* bpe.c: the rank of a pair of tokens, KG_NO_PAIR without one, and what it makes. */
struct kg_symbol;
uint32_t kg_bpe_rank(const void *tables, const struct kg_symbol *left, const struct kg_symbol *right);
void kg_bpe_join(const void *tables, struct kg_symbol *left, const struct kg_symbol *right);

/* bpe.c and spm.c: encode `n` bytes without special tokens. The count functions compute the scratch memory.
 * SentencePiece adds a space before a text that follows a special token, if the file says so. KG_E_MEMORY. */
void kg_bpe_count(const struct kg_vocab_tables *tables, uint64_t n, struct kg_arena *counted);
enum kg_status kg_bpe_encode(const struct kg_vocab_tables *tables, const char *text, uint32_t n, bool first,
                             struct kg_tokens *out, struct kg_arena *scratch);
void kg_spm_count(uint64_t n, struct kg_arena *counted);
enum kg_status kg_spm_encode(const struct kg_vocab_tables *tables, const char *text, uint32_t n, bool first,
                             struct kg_tokens *out, struct kg_arena *scratch);

/* vocab_char.c: the same for microgpt's characters. KG_E_INPUT names a character that is not in the vocabulary. */
enum kg_status kg_char_encode(const struct kg_vocab *vocab, const char *text, uint32_t n, struct kg_tokens *out,
                              struct kg_error *error);
#endif
