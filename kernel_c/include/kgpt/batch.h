/* Conversations whose replies are computed together (continuous batching): each step is one forward pass, which reads
 * the weights once for all of them. A reply joins and leaves between any two steps; each gives the bits that it gives
 * alone. A slot holds one conversation, with its request, sampler and sinks.
 *
 * To begin a reply, call kg_conversation_message, kg_conversation_again or kg_conversation_continue with ask.batched
 * for a conversation whose slot is not running, then kg_batch_join. To go on with all of them, call kg_batch_step.
 * When a step leaves a slot that is not running any more, its reply has ended: kg_conversation_end was called, and
 * `status` and `error` say how it ended. */
#ifndef KGPT_BATCH_H
#define KGPT_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/conversation.h"

#define KG_MAX_SLOTS 64u /* the limit in options.def */

struct kg_batch_slot {
    struct kg_conversation *conversation;
    bool running;          /* a reply has joined and has not ended */
    bool leaves;           /* … and ends before the next token */
    uint64_t turn;         /* prompts are computed in the order of joining */
    enum kg_status status; /* of the last reply: KG_OK, or as kg_conversation_finish returns it */
    struct kg_error error;
};

struct kg_batch {
    struct kg_batch_slot *slots; /* (n) */
    uint32_t n;
    uint64_t joined; /* replies so far */
    uint64_t passes; /* forward passes so far */
    /* Of the current pass: */
    struct kg_lm_piece *pieces;    /* (n) */
    struct kg_batch_slot **owners; /* (n): their slots */
    uint32_t n_pieces;
    bool reads; /* a piece is of a prompt */
};

/* Options for the session of `first` below: a pass has room for a token, and logits, of each slot. */
struct kg_lm_options kg_batch_options(struct kg_lm_options options, uint32_t n);

/* Allocates `n` slots. The first one has the conversation `first`, carved from the same arena with kg_batch_options;
 * the others have conversations beside it. The arena counts, or has enough memory. */
void kg_batch_carve(struct kg_batch *batch, struct kg_conversation *first, uint32_t n, struct kg_arena *arena);

/* Before a reply that continues the first `n` tokens at the conversation's prompt: if the context of another slot, or
 * the prefill of the model's chats, begins with more of these tokens than the slot's own context, takes that prefix.
 * Then kg_conversation_continue does not compute it. */
void kg_batch_share_prefix(struct kg_batch *batch, uint32_t slot, uint32_t n);

/* True if the prompt of the reply that has joined is not computed yet. */
bool kg_batch_reads(const struct kg_batch_slot *slot);

/* A reply has begun in this slot. */
void kg_batch_join(struct kg_batch *batch, uint32_t slot);

/* Ends the reply of this slot with the next step: KG_E_STOPPED. */
void kg_batch_leave(struct kg_batch *batch, uint32_t slot);

/* Samples a token of each reply whose prompt is computed, then computes these tokens in one pass, and with them as
 * much of the prompts as a pass has room for. Without prompts the pass has drafts too (kgpt/speculation.h): those that
 * are sampled with the next step cost no further pass, so a step may sample several tokens of a reply. Returns the
 * number of slots that are still running. */
uint32_t kg_batch_step(struct kg_batch *batch);

#endif
