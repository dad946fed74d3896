/* The parts of speculative decoding: see kgpt/speculation.h. */
#ifndef KGPT_INFER_DRAFTS_H
#define KGPT_INFER_DRAFTS_H

#include "kgpt/speculation.h"

/* ngram.c: the longest match of the last tokens in the context, and what followed there. The sequence is `tokens` (n)
 * and then `last`. */
struct kg_ngram {
    const uint32_t *tokens;
    uint32_t n, last;
    uint32_t at;     /* where the text after the match begins, at most n */
    uint32_t length; /* tokens of the match; 0: there is none */
};

void kg_ngram_find(struct kg_ngram *ngram);

/* Copies `n` tokens from behind the match. Where the sequence ends, it continues with its drafts: a text that repeats
 * itself goes on doing so. */
void kg_ngram_copy(const struct kg_ngram *ngram, uint32_t *drafts, uint32_t n);

/* pace.c. The chance of a draft depends on `length`: how many tokens before it match, or 0 for those of a model. Behind
 * a match of n tokens the next draft has the length n, and if it is sampled the one after it n + 1. */
void kg_draft_pace_fill(struct kg_draft_pace *pace);

/* How many drafts to take for the next pass, at most `most`; 0: none. They are added to `load` and paid for. `own`: the
 * chances of their reply. */
uint32_t kg_draft_pace_choose(struct kg_draft_pace *pace, const struct kg_draft_chances *own, struct kg_pass_load *load,
                              uint32_t length, uint32_t most);

/* A pass of so many sequences and tokens took so many ticks; n drafts were made in so many ticks. */
void kg_draft_pace_passed(struct kg_draft_pace *pace, uint32_t sequences, uint32_t tokens, uint64_t ticks);
void kg_draft_pace_drafted(struct kg_draft_pace *pace, uint32_t n, uint64_t ticks);

/* A draft was sampled, or another token in its place. */
void kg_draft_pace_told(struct kg_draft_pace *pace, struct kg_draft_chances *own, uint32_t length, bool sampled);

/* model.c: the draft model's most likely tokens after `tokens` (n) and `last`. Returns how many there are, at most
 * `most`. *behind: tokens that had to be computed first. */
uint32_t kg_draft_model(struct kg_speculation *speculation, const uint32_t *tokens, uint32_t n, uint32_t last,
                        uint32_t most, uint32_t *behind);

#endif
