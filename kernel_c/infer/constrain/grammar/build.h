/* A grammar while it is built: expressions in a tree, and rules, which expressions name. GBNF (gbnf.c) and JSON schemas
 * (schema.c) build one; emit.c makes the program. A call for which no memory is left notes that in `full` and
 * returns 0, so that only the end has to be checked. */
#ifndef KGPT_CONSTRAIN_BUILD_H
#define KGPT_CONSTRAIN_BUILD_H

#include "kgpt/grammar.h"

#define KG_NO_EXPR UINT32_MAX
#define KG_ANY_NUMBER UINT32_MAX /* of repetitions */
#define KG_BUILD_DEPTH 32u       /* of groups in groups: the reader is recursive */

enum kg_expr_kind {
    KG_EXPR_TEXT,     /* `n` bytes at `first` */
    KG_EXPR_CLASS,    /* one character: `n` ranges at `first` */
    KG_EXPR_SEQUENCE, /* `first` and its siblings, one after another */
    KG_EXPR_CHOICE,   /* one of them */
    KG_EXPR_REPEAT,   /* `first`, from `least` to `most` times */
    KG_EXPR_RULE,     /* the rule number `first` */
};

struct kg_expr {
    uint32_t kind;        /* enum kg_expr_kind */
    uint32_t first;       /* KG_NO_EXPR: an empty list */
    uint32_t n;           /* of a list: its last expression */
    uint32_t next;        /* sibling, or KG_NO_EXPR */
    uint32_t least, most; /* of repetitions */
};

/* Code points, both included. */
struct kg_code_range {
    uint32_t low, high;
};

struct kg_rule {
    uint32_t name, n_name; /* bytes */
    uint32_t body;         /* expression; KG_NO_EXPR: not defined yet */
    uint32_t at;           /* where the text first names it; then where it is defined */
    uint32_t start;        /* its first operation; 0: it is not emitted yet */
    bool wanted;           /* the text may come to it */
    bool empty;            /* it may match nothing */
    bool safe;             /* it is not left-recursive */
};

struct kg_builder {
    struct kg_expr *exprs;
    struct kg_rule *rules;
    struct kg_code_range *ranges;
    char *bytes;
    uint32_t n_exprs, n_rules, n_ranges, n_bytes;
    uint32_t most_exprs, most_rules, most_ranges, most_bytes;
    bool full;
};

/* Takes scratch memory for the tree, at most half of what is left. False: there is none. */
bool kg_build_begin(struct kg_builder *builder, struct kg_arena *scratch);

uint32_t kg_build_text(struct kg_builder *builder, const char *text, size_t n);
uint32_t kg_build_class(struct kg_builder *builder, const struct kg_code_range *ranges, uint32_t n);
uint32_t kg_build_list(struct kg_builder *builder, enum kg_expr_kind kind); /* SEQUENCE or CHOICE, empty */
void kg_build_append(struct kg_builder *builder, uint32_t list, uint32_t expr);
uint32_t kg_build_repeat(struct kg_builder *builder, uint32_t expr, uint32_t least, uint32_t most);

/* A text of bytes that are in the tree already. */
uint32_t kg_build_span(struct kg_builder *builder, uint32_t first, uint32_t n);

/* words.c: one of `n` texts, which are the expressions from `first` on; they are sorted in place. */
uint32_t kg_build_words(struct kg_builder *builder, uint32_t first, uint32_t n);

/* The rule of a name, which is made if there is none yet; `at`: where the text names it. And an expression for it. */
uint32_t kg_build_rule(struct kg_builder *builder, const char *name, size_t n, uint32_t at);
uint32_t kg_build_call(struct kg_builder *builder, uint32_t rule);

/* Sorts ranges, joins those that touch, and removes surrogates. Returns how many are left. */
uint32_t kg_ranges_join(struct kg_code_range *ranges, uint32_t n);
/* All characters outside of joined ranges: at most n + 1 ranges, and one more for the surrogates. */
uint32_t kg_ranges_invert(const struct kg_code_range *ranges, uint32_t n, struct kg_code_range *out);

/* check.c: finds out which rules may be empty. Returns a rule that begins with itself, which no matcher can enter, or
 * KG_NO_EXPR. */
uint32_t kg_check_rules(struct kg_builder *builder);
bool kg_expr_is_empty(const struct kg_builder *builder, uint32_t expr); /* may match nothing */

/* gbnf.c: adds the rules of a text. */
enum kg_status kg_gbnf_read(struct kg_builder *builder, struct kg_text text, struct kg_error *error);

/* emit.c: makes the program of the rule `root` in `arena`. kg_check_rules was called. */
enum kg_status kg_emit_program(struct kg_builder *builder, uint32_t root, struct kg_grammar *grammar,
                               struct kg_arena *arena, struct kg_arena *scratch, struct kg_error *error);

/* utf8_ranges.c: the bytes of the characters of a range. Each sequence has a range of bytes for each place. */
struct kg_byte_sequence {
    uint8_t n;
    uint8_t low[4], high[4];
};
#define KG_SPLIT_MOST 32 /* sequences of one range */
uint32_t kg_split_range(struct kg_code_range range, struct kg_byte_sequence out[KG_SPLIT_MOST]);

enum kg_status kg_grammar_full(struct kg_error *error);

#endif
