/* The parts of a conversation that conversation.c and turns.c share. */
#ifndef KGPT_INFER_CONVERSATION_H
#define KGPT_INFER_CONVERSATION_H

#include "kgpt/conversation.h"

/* Copies the request, and sets the sinks of the next reply. */
void kg_conversation_prepare(struct kg_conversation *conversation, const struct kg_ask *ask);

/* Forgets everything except the context. */
void kg_conversation_forget(struct kg_conversation *conversation);

/* Drops the sinks, after a reply has ended or has failed to begin. */
void kg_conversation_release(struct kg_conversation *conversation);

/* Computes `n` tokens, behind the context; `ask` of them stand before the request for the reply. `again`: in place
 * of the last reply; the tokens are then the last one before it. On failure the context is as it was. */
enum kg_status kg_conversation_begin(struct kg_conversation *conversation, const uint32_t *tokens, uint32_t n,
                                     uint32_t ask, bool again, struct kg_error *error);

/* The end of kg_conversation_begin, if the reply is batched: the prompt is computed, or it failed. */
void kg_conversation_start(struct kg_conversation *conversation);
void kg_conversation_abandon(struct kg_conversation *conversation);

/* kg_conversation_step in two parts. The first returns KG_OK with reply->ended false if reply->last is to be computed,
 * with reply->ended true if the reply is complete; otherwise a failure. The second takes the status of the
 * computation. */
enum kg_status kg_conversation_sample(struct kg_conversation *conversation, struct kg_error *error);
enum kg_status kg_conversation_computed(struct kg_conversation *conversation, enum kg_status status);

/* Between the two: true if reply->last is computed already, since it was drafted; the second is then not to be called.
 * Otherwise the number of drafts behind it, at most `most`, of a pass that others share (kgpt/speculation.h). */
bool kg_conversation_skip(struct kg_conversation *conversation);
uint32_t kg_conversation_draft(struct kg_conversation *conversation, uint32_t most, struct kg_pass_load *load);

/* Computes the last token of a reply that was cut short, or the part of it that was shown. */
enum kg_status kg_conversation_settle(struct kg_conversation *conversation, struct kg_arena *scratch,
                                      struct kg_error *error);

/* The fragments at conversation->prompt, which holds the first n_ctx + 1 of *n tokens; BOS before them if `bos`
 * wants it and they have none. *n_bos: 1 if it was put there. */
enum kg_status kg_conversation_encode_fragments(struct kg_conversation *conversation,
                                                const struct kg_fragment *fragments, size_t n_fragments, bool bos,
                                                uint32_t *n, uint32_t *n_bos, struct kg_arena *scratch,
                                                struct kg_error *error);

/* KG_E_CONTEXT if `n` tokens have no room behind the first `from` of the context, nor behind the system prompt where
 * the rest can be forgotten. */
enum kg_status kg_conversation_check_room(const struct kg_conversation *conversation, uint32_t from, uint32_t n,
                                          struct kg_error *error);

#endif
