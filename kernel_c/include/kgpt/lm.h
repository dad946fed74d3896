/* A language model from a GGUF file, and one conversation with it. A model is immutable; a session is what changes. One
 * description of a block (struct kg_lm_arch) says what an architecture does; infer/forward.c does what the description
 * says. */
#ifndef KGPT_LM_H
#define KGPT_LM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/error.h"
#include "kgpt/gguf.h"
#include "kgpt/quant.h"
#include "kgpt/workers.h"

struct kg_lm_layer; /* infer/lm_model.h */
struct kg_lm_arch;  /* infer/arch.h: the description of a block, in data */

struct kg_lm_model {
    const struct kg_gguf *gguf;
    const struct kg_lm_arch *arch;
    char name[64];
    uint32_t n_vocab;
    uint32_t n_ctx_train;
    uint32_t n_embd, n_layer, n_head, n_head_kv, n_ff;
    uint32_t head_dim; /* of queries, keys and values */
    uint64_t n_parameters;
    uint64_t weight_bytes;
    struct kg_matrix embeddings, output; /* (n_vocab, n_embd); the same one where they are tied */
    const struct kg_lm_layer *layers;
    const struct kg_lm_extra *extra; /* infer/lm_model.h: rope, norms, scales */
};

/* Names of the supported architectures ("llama", …), NULL at the end. */
extern const char *const kg_lm_arch_names[];

/* The architecture of a file, before anything else of it is read. Refuses another one, a shard of a split model, and a
 * vocabulary without weights. */
enum kg_status kg_lm_identify(const struct kg_gguf *gguf, const struct kg_lm_arch **arch, struct kg_error *error);

uint64_t kg_lm_model_size(const struct kg_gguf *gguf); /* bytes that kg_lm_open takes from its arena */

/* Refuses what is not supported by name: architecture, missing or unknown hyperparameters, tensors that are missing,
 * too many, of a wrong shape or type. `interleaved`: the file's matrices are already in the layout of kgpt/quant.h;
 * otherwise they are brought into it, in place. */
enum kg_status kg_lm_open(struct kg_lm_model *model, const struct kg_gguf *gguf, bool interleaved,
                          struct kg_arena *arena, struct kg_error *error);

enum kg_kv_type {
    KG_KV_F16,
    KG_KV_Q8,
    KG_KV_F32, /* for comparisons */
};

struct kg_lm_options {
    uint32_t n_ctx;   /* positions; at most what the model was trained for */
    uint32_t n_batch; /* tokens that are computed at once */
    enum kg_kv_type kv;
    bool all_logits; /* of every token of a batch, not of the last one alone */
};

struct kg_lm_size {
    uint64_t kv, scratch; /* bytes */
};

struct kg_lm_session {
    const struct kg_lm_model *model;
    const struct kg_quant_ops *ops;
    const struct kg_workers *workers;
    struct kg_lm_options options;
    uint32_t n_past; /* positions filled */
    /* Keys and values from here on were moved by kg_lm_shift, or follow moved ones: they depend on forgotten tokens
     * too. UINT32_MAX: none do. */
    uint32_t moved_from;
    uint32_t *tokens; /* (n_ctx): what fills them */
    float *logits;    /* (n_vocab) of the last token; with all_logits (n, n_vocab) of the tokens of the last batch */
    struct kg_lm_state *state; /* infer/session.c's own */
    /* called, if not NULL, with the residual stream (n_embd) of a batch's last token: after "embed", after a
     * layer's "attn" and "ffn", and after the final "norm" if logits are computed */
    void (*probe)(void *context, const char *what, uint32_t layer, const float *values, size_t n);
    void *probe_context;
};

struct kg_lm_size kg_lm_session_size(const struct kg_lm_model *model, const struct kg_lm_options *options);
enum kg_status kg_lm_session_init(struct kg_lm_session *session, const struct kg_lm_model *model,
                                  const struct kg_quant_ops *ops, const struct kg_workers *workers,
                                  const struct kg_lm_options *options, struct kg_arena *arena);

/* Appends tokens, in batches of at most n_batch, and leaves the logits of the last one. `stopped` (may be NULL) is
 * asked before each layer and ends it with KG_E_STOPPED: batches that were computed stay, the logits are as they were
 * before. KG_E_NUMBERS, with the first layer that is to blame, if they are not finite; then the batch is forgotten.
 * KG_E_CONTEXT before anything is computed if they do not fit. The result has the same bits however the tokens
 * are cut into calls and batches, and however many workers there are. */
enum kg_status kg_lm_eval(struct kg_lm_session *session, const uint32_t *tokens, uint32_t n, bool (*stopped)(void *),
                          void *context, struct kg_error *error);

/* Keeps what the context holds of the first tokens of these `n`, and forgets the rest: returns how many are kept, at
 * most n - 1, so that there is one left to compute. Computing the others then gives the bits that computing all of
 * them gives. */
uint32_t kg_lm_reuse(struct kg_lm_session *session, const uint32_t *tokens, uint32_t n);

/* Forgets what stands at `n` and after it. */
void kg_lm_truncate(struct kg_lm_session *session, uint32_t n);

/* Makes room: forgets `discard` positions after the first `keep`, and moves the later ones forward: their keys are
 * turned to their new place, as llama.cpp's context shift does. Where positions are learned nothing can be turned, and
 * the later ones are computed again. */
void kg_lm_shift(struct kg_lm_session *session, uint32_t keep, uint32_t discard);

#endif
