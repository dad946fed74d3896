/* Grammars that restrict the text of a reply (docs/constrained.md). A grammar is read from GBNF, the notation of
 * llama.cpp, or from a JSON schema (kgpt/grammar_schema.h). It becomes a program over the bytes of UTF-8, which never
 * changes: any number of matchers (kgpt/matcher.h) run it. */
#ifndef KGPT_GRAMMAR_H
#define KGPT_GRAMMAR_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/error.h"
#include "kgpt/str.h"

/* An operation: its kind in the lowest three bits, an operand above them. */
enum kg_grammar_op {
    KG_OP_SET,    /* takes a byte of the set `operand` */
    KG_OP_FORK,   /* goes on behind this operation, and at `operand` too */
    KG_OP_JUMP,   /* goes on at `operand` */
    KG_OP_CALL,   /* the rule at `operand`; then behind this operation */
    KG_OP_RETURN, /* the end of a rule */
    KG_OP_COUNT,  /* begins to count repetitions */
    KG_OP_AGAIN,  /* a repetition of the counter `operand` ends: another one begins, or the loop ends, or both */
};

struct kg_byte_set {
    uint64_t bits[4];
};

struct kg_grammar_counter {
    uint32_t begin;       /* the operation that a repetition begins with */
    uint32_t least, most; /* UINT32_MAX: any number */
};

struct kg_grammar {
    const uint32_t *ops;
    const struct kg_byte_set *sets;
    const struct kg_grammar_counter *counters;
    uint32_t n_ops, n_sets, n_counters;
    uint32_t start; /* the operation that the rule `root` begins with */
    /* Bytes that no set tells apart have one class. */
    uint32_t n_classes;
    uint8_t class_of[256], first_of[256]; /* the class of a byte, and the first byte of a class */
};

/* Reads a grammar in GBNF. Its program lies in `arena`: some kilobytes, or some hundreds for thousands of rules.
 * `scratch`, another arena, is rewound: 256 KB suffice for a page of rules, and 4 MB for any grammar that is accepted.
 * Refusals (KG_E_INPUT) name line and column; KG_E_MEMORY: one of the two arenas is too small. */
enum kg_status kg_grammar_read(struct kg_grammar *grammar, struct kg_text gbnf, struct kg_arena *arena,
                               struct kg_arena *scratch, struct kg_error *error);

#endif
