/* Pre-tokenizers: where a text is cut into words before byte-level BPE, as the regular expressions that models were trained with
 * cut it. Each is a description in data (pretokenize_rules.c) that one hand-made splitter follows. */
#ifndef KGPT_TOKENIZER_PRETOKENIZE_H
#define KGPT_TOKENIZER_PRETOKENIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unicode.h"

/* A set of characters: of these classes, these ASCII characters, these ranges (to {0, 0}); or all others than these. Ranges hold no
 * white space, whatever their bounds. */
struct kg_set {
    bool others;
    uint16_t classes; /* bits 1 << enum kg_class */
    const char *ascii;
    const uint32_t (*ranges)[2]; /* first and last */
};

/* One alternative of a regular expression. L are letters, N numbers. */
enum kg_step_kind {
    KG_STEP_END,
    KG_STEP_WORD,         /* before? body{least,most} after* */
    KG_STEP_CASED,        /* before? upper* lower+, where a letter of `body` beyond ASCII is both */
    KG_STEP_CAPITALS,     /* before? upper+ lower*, likewise */
    KG_STEP_CONTRACTION,  /* 's 't 're 've 'm 'll 'd */
    KG_STEP_LINES,        /* \s*[\r\n]+ */
    KG_STEP_SPACES,       /* \s+(?!\S) */
    KG_STEP_SPACES_TWICE, /* \s{512}(?!\S), the same with 256, …, 4, and \s{1,2}(?!\S) */
};

#define KG_STEP_ANY_CASE 1u    /* contractions in capitals, too */
#define KG_STEP_MUST_BEFORE 2u /* `before` must be there */
#define KG_STEP_CONTRACTED 4u  /* a contraction, in any case, may follow */

struct kg_step {
    enum kg_step_kind kind;
    uint32_t flags;
    const struct kg_set *before, *body, *after; /* NULL: nothing */
    uint32_t least, most;                       /* 0: 1, and without an end */
};

/* The ways to cut a piece once more. */
enum kg_pass_kind {
    KG_PASS_END,
    KG_PASS_STEPS, /* the leftmost match of the first step that matches is a piece; so is what lies between matches */
    KG_PASS_SPACES_LAST, /* \s+$ */
    KG_PASS_THREES,      /* numbers in threes from their end; what precedes them stays with the first */
    KG_PASS_DIGITS,      /* (?=(\d{3})+(?!\d)) */
    KG_PASS_LINES,       /* [^\n]+|[\n]+ */
};

struct kg_pass {
    enum kg_pass_kind kind;
    const struct kg_step *steps;
};

struct kg_pre {
    const char *name;
    const struct kg_pass *passes;
    bool ignore_merges; /* a word that is a piece is not built from merges */
    bool add_bos;       /* unless the file says something else */
};

/* NULL if there is none of this name. */
const struct kg_pre *kg_pre_find(const char *name, size_t n);

/* A character with its class. */
#define KG_CHAR_CODE(c) ((c) & 0x1FFFFFu)
#define KG_CHAR_CLASS(c) ((enum kg_class)((c) >> 24))
static inline uint32_t kg_char_of(uint32_t code)
{
    return code | (uint32_t)kg_unicode_class(code) << 24;
}

/* Cuts n >= 1 characters: writes where each word ends, rising, to `ends` (n), and returns how many they are. `spare` (n) is
 * overwritten. */
uint32_t kg_pre_split(const struct kg_pre *pre, const uint32_t *chars, uint32_t n, uint32_t *ends, uint32_t *spare);

#endif
