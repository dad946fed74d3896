/* Pre-tokenizers split a text into words before byte-level BPE, equivalent to the regular expressions that models
 * were trained with. Rules are data (pretokenize_rules.c), which one splitter interprets. */
#ifndef KGPT_TOKENIZER_PRETOKENIZE_H
#define KGPT_TOKENIZER_PRETOKENIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unicode.h"

/* A set of characters: the union of classes, ASCII characters and ranges (ended by {0, 0}), or its complement.
 * Ranges exclude white space. */
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
#define KG_STEP_MUST_BEFORE 2u /* `before` is required */
#define KG_STEP_CONTRACTED 4u  /* a contraction in any case may follow */

struct kg_step {
    enum kg_step_kind kind;
    uint32_t flags;
    const struct kg_set *before, *body, *after; /* NULL: none */
    uint32_t least, most;                       /* 0: 1, and unlimited */
};

/* Passes: each splits the pieces of the previous pass. */
enum kg_pass_kind {
    KG_PASS_END,
    KG_PASS_STEPS,       /* each match of the first matching step is a piece; so is the text between matches */
    KG_PASS_SPACES_LAST, /* \s+$ */
    KG_PASS_THREES,      /* numbers in threes from their end; the text before stays with the first group */
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
    bool ignore_merges; /* a word that is a piece is not built by merges */
    bool add_bos;       /* unless the file overrides it */
};

/* NULL if the name is unknown. */
const struct kg_pre *kg_pre_find(const char *name, size_t n);

/* A character with its class in the top byte, and what steps about cases and contractions need. */
#define KG_CHAR_CAPITAL (1u << 27)    /* a letter that is never small */
#define KG_CHAR_SMALL (1u << 28)      /* a letter that is never capital */
#define KG_CHAR_CASED_MARK (1u << 29) /* a mark that counts as a letter in KG_STEP_CASED and KG_STEP_CAPITALS */
#define KG_CHAR_LONG_S (1u << 30)     /* it counts as an s in a contraction in any case */
#define KG_CHAR_CODE(c) ((c) & 0x1FFFFFu)
#define KG_CHAR_CLASS(c) ((enum kg_class)((c) >> 24 & 7))
static inline uint32_t kg_char_of(uint32_t code)
{
    uint32_t capital = code >= 'A' && code <= 'Z' ? KG_CHAR_CAPITAL : 0;
    uint32_t small = code >= 'a' && code <= 'z' ? KG_CHAR_SMALL : 0;
    return code | (uint32_t)kg_unicode_class(code) << 24 | capital | small;
}

/* Splits n >= 1 characters. Writes the ascending ends of the words to `ends` (n) and returns their number. `spare`
 * (n) is scratch. */
uint32_t kg_pre_split(const struct kg_pre *pre, const uint32_t *chars, uint32_t n, uint32_t *ends, uint32_t *spare);

#endif
