/* Which tokens can come next, so that the text of a reply stays within a grammar (docs/constrained.md).
 *
 *   struct kg_token_order   one for a model: its tokens in the order of their bytes. It never changes.
 *   struct kg_matcher       one for a conversation: the grammar of its reply, and how far the text has come.
 *
 * A conversation with a matcher (kg_conversation.matcher) takes requests with a grammar (kg_request.grammar). Before
 * each token the matcher makes a mask over the vocabulary: a bit for each token whose bytes the grammar lets through,
 * and those of the end tokens where the text may end. The sampler sees only these tokens.
 *
 * The grammar is a pushdown automaton. The matcher keeps all ways at once in which the text fits it (a *state*: places
 * in the program, each with its stack of open rules), and remembers where a byte leads from a state. A token of the
 * vocabulary mostly costs a look into that table for each byte that it does not share with the token before.
 *
 * Limits, which only odd grammars meet: rules nested deeper than KG_MATCH_DEPTH are not let through; a text that
 * fits the grammar in more than KG_MATCH_WAYS ways at once ends the reply. */
#ifndef KGPT_MATCHER_H
#define KGPT_MATCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/grammar.h"
#include "kgpt/vocab.h"

#define KG_MATCH_DEPTH 1024u
#define KG_MATCH_WAYS 512u
#ifndef KG_MATCH_MASKS    /* a fuzzer makes them few, so that short texts use them all */
#define KG_MATCH_MASKS 8u /* masks that are kept: in a long string of JSON the same one comes again and again */
#endif
#define KG_MOST_ENDS 32u

struct kg_token_order {
    const struct kg_vocab *vocab;
    uint32_t n;                          /* tokens that have bytes */
    uint32_t *ids;                       /* (n) */
    uint16_t *shared;                    /* (n): first bytes that a token has in common with the one before it */
    uint16_t *length;                    /* (n): bytes */
    char *tails;                         /* the bytes of each token behind those that it shares */
    uint32_t ends[KG_MOST_ENDS], n_ends; /* tokens that end a reply */
};

/* Allocates from an arena that counts or has enough memory. Then kg_token_order_fill; `end_token`: another one that
 * ends a reply (kg_lm_loaded.end_token), or KG_NO_TOKEN. The arena `scratch`, of kg_token_order_scratch() bytes,
 * is rewound. KG_E_MEMORY if it is too small. */
size_t kg_token_order_scratch(const struct kg_vocab *vocab);
void kg_token_order_carve(struct kg_token_order *order, const struct kg_vocab *vocab, struct kg_arena *arena);
enum kg_status kg_token_order_fill(struct kg_token_order *order, uint32_t end_token, struct kg_arena *scratch,
                                   struct kg_error *error);

struct kg_match_tables; /* private to infer/constrain/ */

struct kg_matcher {
    const struct kg_token_order *order;
    const struct kg_grammar *grammar; /* NULL: none, and every token is allowed */
    struct kg_match_tables *tables;
    uint32_t *masks;         /* (KG_MATCH_MASKS) of `n_words` */
    uint32_t n_words;        /* of a mask: bit i % 32 of word i / 32 is token i */
    char *piece;             /* (vocab->longest) */
    uint64_t computed, kept; /* masks that were computed, and that were kept */
    bool failed;             /* more than KG_MATCH_WAYS */
};

/* Allocates about 600 KB, and a mask for each of KG_MATCH_MASKS. */
void kg_matcher_carve(struct kg_matcher *matcher, const struct kg_token_order *order, struct kg_arena *arena);

/* Begins with an empty text. `grammar` NULL: nothing is restricted. */
void kg_matcher_begin(struct kg_matcher *matcher, const struct kg_grammar *grammar);

/* Goes on by bytes, or by a token. False: the grammar does not let them through; the matcher is then of no use until
 * it begins again. */
bool kg_matcher_bytes(struct kg_matcher *matcher, const char *bytes, size_t n);
bool kg_matcher_token(struct kg_matcher *matcher, uint32_t token);

bool kg_matcher_may_end(const struct kg_matcher *matcher); /* the text so far is whole */

/* Copies the place that `from` has come to. Both have the same order. */
void kg_matcher_copy(struct kg_matcher *to, const struct kg_matcher *from);

/* The mask of the tokens that can come next, valid until the matcher goes on; *n: how many they are. 0: no token of
 * the vocabulary continues the text, nor ends it. */
const uint32_t *kg_matcher_mask(struct kg_matcher *matcher, uint32_t *n);

#endif
