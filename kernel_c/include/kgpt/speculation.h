/* Speculative decoding. Tokens that are likely to follow are *drafted*, and one forward pass computes them together
 * with the token that was sampled. The reply loop then samples each token as without speculation, from the logits of
 * its own position, with its own random number and penalties. If the sampled token is the drafted one, its logits are
 * there already, and no pass is needed. Otherwise the rest of the drafts is discarded.
 *
 * A forward pass gives each token the bits that it has alone (kgpt/lm.h). Texts, logits and events are therefore the
 * same with any drafts, and with none. Drafts only change the time. */
#ifndef KGPT_SPECULATION_H
#define KGPT_SPECULATION_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/error.h"
#include "kgpt/lm.h"

#define KG_MOST_DRAFTS 15u /* in one pass; the limit of speculate_tokens in options.def */
#define KG_DRAFT_CLASSES 6u

/* Where drafts come from. The order is that of the names in options.def. */
enum kg_speculate {
    KG_SPECULATE_OFF,
    KG_SPECULATE_NGRAM, /* what followed the last tokens earlier in the context */
    KG_SPECULATE_DRAFT, /* a smaller model with the same vocabulary */
};

struct kg_speculation_options {
    enum kg_speculate kind;
    uint32_t tokens;                 /* drafts of each pass, at most KG_MOST_DRAFTS; 0: as many as pay */
    const struct kg_lm_model *model; /* that drafts, with KG_SPECULATE_DRAFT */
    enum kg_kv_type kv;              /* of its cache */
};

/* Of one reply: the tokens after the prompt take passes + accepted evaluations. */
struct kg_speculation_counts {
    uint64_t drafted;  /* tokens */
    uint64_t accepted; /* drafted tokens that were sampled */
    uint64_t passes;   /* forward passes after the prompt, with drafts or without */
};

#define KG_MOST_PASS 80u /* tokens of a pass that drafts are weighed in: a token and drafts of 64 sequences at once */

/* What passes cost. */
struct kg_pass_costs {
    double ticks[KG_MOST_PASS + 1];   /* of a pass of so many tokens; 0: not measured yet */
    uint32_t plain[KG_MOST_PASS + 1]; /* measured passes of so many sequences without drafts */
};

/* How often drafts were sampled. Those of one class, of a model or behind matches of about the same length, have about
 * the same chance. */
struct kg_draft_chances {
    double hits[KG_DRAFT_CLASSES];   /* in a moving window */
    double misses[KG_DRAFT_CLASSES]; /* drafts that were not sampled */
};

/* A pass that drafts are chosen for: its sequences, the tokens that it has so far, and how many of these are expected
 * to be sampled. */
struct kg_pass_load {
    uint32_t sequences, tokens;
    double arrives;
};

/* How many drafts pay (infer/speculate/pace.c). Sequences that are computed together share it. */
struct kg_draft_pace {
    struct kg_pass_costs costs;
    struct kg_draft_chances chances; /* of all texts */
    double draft_ticks;              /* for each token that a model drafts */
    double balance;                  /* what drafts may cost, in tokens without them */
    uint32_t trials;                 /* drafts that were only to be learned from */
};

struct kg_speculation {
    struct kg_speculation_options options;
    struct kg_speculation_counts counts;
    struct kg_draft_pace own, *pace; /* `pace`: that of the sequence that this one is computed beside, or `own` */
    struct kg_draft_chances chances; /* of this reply */
    struct kg_lm_session draft;      /* with KG_SPECULATE_DRAFT */
    bool failed;                     /* the draft model computes numbers that are not finite */

    /* Drafts that the last pass computed. The next one would stand at position `at`. */
    uint32_t drafts[KG_MOST_DRAFTS + 1], piece[KG_MOST_DRAFTS + 1]; /* … and the token that they follow, before them */
    uint32_t n, next, at;
    uint32_t length;   /* tokens that matched before these drafts; 0: they are a model's */
    const float *rows; /* (1 + n, n_vocab): logits of the token and its drafts; NULL: those of the session count */
    uint32_t row;      /* that of the last token */
};

/* The options of a session whose drafts are to be verified: room for the logits of KG_MOST_DRAFTS drafts. */
struct kg_lm_options kg_speculation_session(const struct kg_speculation_options *speculation,
                                            const struct kg_lm_options *options);

/* `session`: the options of the session whose drafts are to be verified. The arena counts, or has room; then
 * kg_speculation_fill writes what is needed. */
void kg_speculation_carve(struct kg_speculation *speculation, const struct kg_speculation_options *wanted,
                          const struct kg_quant_ops *ops, const struct kg_workers *workers,
                          const struct kg_lm_options *session, struct kg_arena *arena);
void kg_speculation_fill(struct kg_speculation *speculation);

/* For a session beside that of `other` (kg_lm_session_carve_beside), with drafts of the same kind. It needs no fill. */
void kg_speculation_carve_beside(struct kg_speculation *speculation, struct kg_speculation *other,
                                 struct kg_arena *arena);

/* A reply begins. */
void kg_speculation_begin(struct kg_speculation *speculation);

/* Discards the drafts that were computed. To be called before anything but kg_speculation_eval changes the session. */
void kg_speculation_forget(struct kg_speculation *speculation);

/* The session was shifted (kg_lm_shift), after kg_speculation_forget. */
void kg_speculation_shift(struct kg_speculation *speculation, uint32_t keep, uint32_t discard);

/* The logits of the session's last token. */
const float *kg_speculation_logits(const struct kg_speculation *speculation, const struct kg_lm_session *session);

/* Appends one sampled token to the session, as kg_lm_eval does, with a pass or without. `most`: drafts that can be of
 * use. `stopped` and errors as of kg_lm_eval. */
enum kg_status kg_speculation_eval(struct kg_speculation *speculation, struct kg_lm_session *session, uint32_t token,
                                   uint32_t most, bool (*stopped)(void *), void *context, struct kg_error *error);

/* The same in parts, for sequences that share a pass. Skip: true if the last pass has computed the token already; the
 * session has it then. Otherwise draft: the piece of the session becomes the token and the drafts that pay, at most
 * `most`; returns how many drafts, and adds them to `load`. Take: after that pass, whose rows of logits stay until the
 * next one. Returns the status of the token: drafts without finite logits do not harm it. */
bool kg_speculation_skip(struct kg_speculation *speculation, struct kg_lm_session *session, uint32_t token);
uint32_t kg_speculation_draft(struct kg_speculation *speculation, const struct kg_lm_session *session, uint32_t token,
                              uint32_t most, struct kg_pass_load *load);
enum kg_status kg_speculation_take(struct kg_speculation *speculation, const struct kg_lm_piece *piece);

/* A pass of `tokens` tokens of `sequences` sequences, none of them of a prompt, took so many ticks. */
void kg_speculation_measured(struct kg_speculation *speculation, uint32_t sequences, uint32_t tokens, uint64_t ticks);

#endif
