/* A language model from a GGUF file, and a session (context) of it. A model is immutable. struct kg_lm_arch
 * describes the transformer block of an architecture as data; infer/forward.c interprets it. */
#ifndef KGPT_LM_H
#define KGPT_LM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/attention.h"
#include "kgpt/error.h"
#include "kgpt/gguf.h"
#include "kgpt/quant.h"
#include "kgpt/workers.h"

struct kg_lm_layer; /* infer/lm_model.h */
struct kg_lm_arch;  /* infer/arch.h: describes a transformer block as data */

struct kg_lm_model {
    const struct kg_gguf *gguf;
    const struct kg_lm_arch *arch;
    char name[64];
    uint32_t n_vocab;
    uint32_t n_ctx_train;
    uint32_t n_embd, n_layer, n_head, n_head_kv, n_ff;
    uint32_t head_dim; /* width of a query, key and value head */
    uint64_t n_parameters;
    uint64_t weight_bytes;
    struct kg_matrix embeddings, output; /* (n_vocab, n_embd); identical if the model ties them */
    const struct kg_lm_layer *layers;
    const struct kg_lm_extra *extra; /* infer/lm_model.h: RoPE, norms, scales */
};

/* Names of the supported architectures ("llama", …), ended by NULL. */
extern const char *const kg_lm_arch_names[];

/* Reads the architecture of a file, before its other fields. Refuses unsupported architectures, shards of a split
 * model, and vocabulary-only files. */
enum kg_status kg_lm_identify(const struct kg_gguf *gguf, const struct kg_lm_arch **arch, struct kg_error *error);

/* Interleaves rows of a tensor in place, for a file that is opened as `interleaved` then: all rows of all tensors, in
 * pieces of whole groups (KG_GROUP) that end with the last row. Tensors that have no such layout stay as they are.
 * `scratch`: kg_lm_interleave_size() bytes. */
void kg_lm_interleave_rows(const struct kg_gguf_tensor *tensor, uint32_t first, uint32_t n, void *scratch);
uint64_t kg_lm_interleave_size(const struct kg_gguf *gguf);

/* Opens a model. Refusals name the unsupported architecture, the missing or unknown hyperparameter, or the tensor
 * that is missing, unexpected, or of wrong shape or type. `interleaved`: the matrices already have the layout of
 * kgpt/quant.h; otherwise kg_lm_open interleaves them in place. */
enum kg_status kg_lm_open(struct kg_lm_model *model, const struct kg_gguf *gguf, bool interleaved,
                          struct kg_arena *arena, struct kg_error *error);

struct kg_lm_options {
    uint32_t n_ctx;   /* positions of a session; at most n_ctx_train */
    uint32_t n_batch; /* tokens in one forward pass */
    enum kg_kv_type kv;
    uint32_t n_logits; /* tokens of one forward pass that can leave logits; 0: one */
};

struct kg_lm_kv;   /* infer/kv.h */
struct kg_lm_work; /* infer/state.h */

/* One sequence of tokens: a context with its KV cache. */
struct kg_lm_session {
    const struct kg_lm_model *model;
    struct kg_lm_options options;
    uint32_t n_past;   /* positions filled */
    uint64_t computed; /* tokens that forward passes have computed so far */
    /* First position whose keys and values depend on discarded tokens, because kg_lm_shift moved it; UINT32_MAX:
     * none. */
    uint32_t moved_from;
    uint32_t *tokens;        /* (n_ctx): tokens at the filled positions */
    float *logits;           /* (n_vocab) of the last token that left some */
    struct kg_lm_kv *kv;     /* private to infer/ */
    struct kg_lm_work *work; /* buffers of a forward pass, private to infer/: several sessions may share them */
    /* Optional callback with the residual stream (n_embd) of the session's last token in a pass: after "embed", after
     * "attn" and "ffn" of each layer, and after the final "norm" if logits are computed. */
    void (*probe)(void *context, const char *what, uint32_t layer, const float *values, size_t n);
    void *probe_context;
    bool probe_all; /* the callback gets each token of the session in the pass, in turn, not only the last */
    /* (n_head, n_ctx), or NULL: the callback also gets the parts of each layer of the session's last token in a pass,
     * and the weights of attention go here. In the order of the pass: "q_raw", "k_raw" and "v" before norms and RoPE,
     * "q" and "k" after them, "attention" (n_head, n_ctx; 0 for positions that are not read), "attended", "attn",
     * "hidden" (n_ff) behind the activation, "ffn". */
    float *attention;
    uint64_t kv_bytes; /* bytes of the arena for keys and values */
};

/* True if there is at least one position, at most as many as the model was trained for, and a batch of at least one
 * token. */
bool kg_lm_options_fit(const struct kg_lm_model *model, const struct kg_lm_options *options);

/* Allocates an empty session, with a work space of its own, from an arena that counts or has enough memory; the
 * options must fit. kg_lm_session_fill then initializes the memory. */
void kg_lm_session_carve(struct kg_lm_session *session, const struct kg_lm_model *model, const struct kg_quant_ops *ops,
                         const struct kg_workers *workers, const struct kg_lm_options *options, struct kg_arena *arena);
void kg_lm_session_fill(struct kg_lm_session *session);

/* Allocates another empty session of the same model and options, which shares the work space of `other`. It needs no
 * kg_lm_session_fill. */
void kg_lm_session_carve_beside(struct kg_lm_session *session, const struct kg_lm_session *other,
                                struct kg_arena *arena);

/* Tokens of one session that a forward pass computes. */
struct kg_lm_piece {
    struct kg_lm_session *session;
    const uint32_t *tokens; /* (n), n >= 1 */
    uint32_t n;
    uint32_t n_logits;      /* the last so many of the tokens leave logits */
    struct kg_error *error; /* set unless the result is KG_OK */

    /* Results. KG_OK: the tokens are in the context. Otherwise it is as before: KG_E_CONTEXT and KG_E_INPUT, before
     * any computation, if the tokens do not fit or one is not in the vocabulary; KG_E_NUMBERS, with the first layer at
     * fault, if the logits of the last token are not finite; KG_E_STOPPED. */
    enum kg_status status;
    const float *logits; /* (n_logits, n_vocab), until the next pass; session->logits gets the last row */
};

/* One forward pass, which reads the weights once for all pieces: each is of another session, and all sessions share
 * one work space. Together they have at most n_batch tokens, and logits of at most n_logits. Each session gets the
 * bits that it gets alone; a piece that fails does not change the others. `stopped` (may be NULL) is called before each
 * layer; true ends the pass with KG_E_STOPPED for every piece that was computed. */
void kg_lm_eval_pieces(struct kg_lm_piece *pieces, uint32_t n, bool (*stopped)(void *), void *context);

/* Appends tokens in batches of at most n_batch, and leaves the logits of the last token. `stopped` as for
 * kg_lm_eval_pieces: complete batches stay in the context, the logits are unchanged. On KG_E_NUMBERS the last batch is
 * discarded. KG_E_CONTEXT and KG_E_INPUT before any computation. The bits do not depend on the division into calls
 * and batches, nor on the number of workers. */
enum kg_status kg_lm_eval(struct kg_lm_session *session, const uint32_t *tokens, uint32_t n, bool (*stopped)(void *),
                          void *context, struct kg_error *error);

/* What the residual stream `x` (n_embd) would give if the model ended there: the final norm's output `normed` (n_embd),
 * and the logits (n_vocab). For a probe after "embed" or "ffn", when no activations of the pass are in use. */
void kg_lm_lens(const struct kg_lm_session *session, const float *x, float *normed, float *logits);

/* What scores of attention are multiplied by. */
float kg_lm_attn_scale(const struct kg_lm_model *model);

/* The mean, over these tokens, of the hidden state behind the final norm: `mean` (n_embd). They replace the context.
 * KG_E_ as for kg_lm_eval. */
enum kg_status kg_lm_mean(struct kg_lm_session *session, const uint32_t *tokens, uint32_t n, float *mean,
                          struct kg_arena *scratch, struct kg_error *error);

/* The length of the longest common prefix of the context and these `n` tokens, at most n - 1, so at least one token
 * remains to compute. Positions that kg_lm_shift moved do not count. */
uint32_t kg_lm_common(const struct kg_lm_session *session, const uint32_t *tokens, uint32_t n);

/* Keeps this prefix, and discards the rest of the context. Returns its length. Computing the remaining tokens gives
 * the same bits as computing all of them. */
uint32_t kg_lm_reuse(struct kg_lm_session *session, const uint32_t *tokens, uint32_t n);

/* Copies the first `n` positions of another session's context (at most kg_lm_common) in place of this one's: what is
 * computed behind them has the bits that it has there. Both sessions share a work space. */
void kg_lm_copy(struct kg_lm_session *session, const struct kg_lm_session *from, uint32_t n);

/* Copies into the session's cache what it reads elsewhere (kgpt/prefill.h): that memory may be used for something else
 * then. */
void kg_lm_own(struct kg_lm_session *session);

/* Discards position `n` and all later ones. */
void kg_lm_truncate(struct kg_lm_session *session, uint32_t n);

/* Context shift: discards `discard` positions after the first `keep`, and moves the later ones forward. RoPE rotates
 * their keys to the new positions, as in llama.cpp. A model with learned positions computes the later tokens again. */
void kg_lm_shift(struct kg_lm_session *session, uint32_t keep, uint32_t discard);

#endif
