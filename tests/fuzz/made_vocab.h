/* A vocabulary for the fuzzers of grammars: bytes, some words, a token without bytes, and one that ends. */
#ifndef KGPT_MADE_VOCAB_H
#define KGPT_MADE_VOCAB_H

#include "kgpt/grammar.h"
#include "kgpt/matcher.h"

#define MADE_END 149u
#define MADE_TOKENS 150u

extern const struct kg_vocab made_vocab;

#define MADE_ROOM (1u << 22)

/* Matchers of this vocabulary, in memory that stays: to be made before the first input, since the tables and the order
 * of the tokens take longer to make than most inputs take to run. */
void made_matchers(struct kg_matcher *matchers, uint32_t n);

/* Checks the mask against the bytes of the token `token`, and the number of its bits. `copy` is overwritten. */
void made_check_mask(struct kg_matcher *matcher, struct kg_matcher *copy, uint32_t token);

/* Goes on with an allowed token, the `choice`-th in turn, and appends its bytes to text[*n]. False: it is the end. */
bool made_go_on(struct kg_matcher *matcher, uint32_t choice, char *text, size_t *n);

/* A refusal has a message and a hint. */
void made_check_refusal(enum kg_status status, const struct kg_error *error);

#endif
