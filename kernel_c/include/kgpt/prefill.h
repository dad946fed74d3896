/* A prefill: the tokens with which every chat begins, and their keys and values, computed by `kgpt build --prefill`.
 * The first message of a chat then computes only its own tokens, to the same bits. kgpt_build/headers/prefill.py has
 * the same layout in Python. Little endian:
 *     char magic[4]           "KGPF"
 *     uint32_t version        KG_PREFILL_VERSION
 *     uint64_t size           bytes of all
 *     uint32_t crc32          of all bytes behind this field
 *     uint32_t n              tokens
 *     uint32_t kv, vector     type of the KV cache, bytes of one head at one position
 *     uint32_t n_layer, n_head_kv, head_dim
 *     uint32_t system_size    bytes of the system prompt
 *     uint8_t model[32]       SHA-256 of the model's file: its weights and its tokenizer
 *     uint8_t chat[32]        SHA-256 of the chat template in pieces (kgpt/chat.h)
 *     uint32_t tokens[n]
 *     char system[]           the system prompt, zeros up to the next multiple of 64 from the start, one at least
 *     uint8_t keys[n_layer][n_head_kv][n][vector], values likewise */
#ifndef KGPT_PREFILL_H
#define KGPT_PREFILL_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/error.h"
#include "kgpt/lm.h"
#include "kgpt/sha256.h"
#include "kgpt/str.h"

#define KG_PREFILL_VERSION 1u
#define KG_PREFILL_MAX_SYSTEM (1u << 24) /* bytes */

/* A checked prefill, in the memory of its blob. */
struct kg_prefill {
    uint32_t n; /* tokens; 0: there is no prefill */
    enum kg_kv_type kv;
    uint64_t size;
    struct kg_text system;        /* ended by NUL; empty: the template's own system prompt */
    const uint8_t *tokens;        /* uint32_t each, of any alignment */
    const uint8_t *keys, *values; /* NULL after kg_prefill_open_tokens */
};

/* What a prefill was computed for. */
struct kg_prefill_origin {
    uint8_t model[KG_SHA256_SIZE], chat[KG_SHA256_SIZE];
};

/* Opens a blob that was computed for this model and `origin`. Otherwise KG_E_INPUT says whether it is damaged, or which
 * of the two is another one. */
enum kg_status kg_prefill_open(struct kg_prefill *prefill, const void *blob, uint64_t size,
                               const struct kg_lm_model *model, const struct kg_prefill_origin *origin,
                               struct kg_error *error);

/* Opens only the tokens and the system prompt of a blob, of any model with `n_vocab` tokens: it fits no session. */
enum kg_status kg_prefill_open_tokens(struct kg_prefill *prefill, const void *blob, uint64_t size, uint32_t n_vocab,
                                      struct kg_error *error);

/* True if the cache of the session has the prefill's type and room for its positions. */
bool kg_prefill_fits(const struct kg_prefill *prefill, const struct kg_lm_session *session);

/* Tokens that `n` tokens begin with, and the prefill too: at most n - 1. 0 if the prefill does not fit the session. */
uint32_t kg_prefill_common(const struct kg_prefill *prefill, const struct kg_lm_session *session,
                           const uint32_t *tokens, uint32_t n);

/* Makes the longest common prefix of the prefill and `n` tokens the context of a session whose context is empty.
 * Returns its length, at most n - 1. Keys and values are not copied: the session reads them in the blob, and what is
 * computed behind them goes into its cache. So the blob stays where it is until kg_lm_own or the end of the session. */
uint32_t kg_prefill_begin(const struct kg_prefill *prefill, struct kg_lm_session *session, const uint32_t *tokens,
                          uint32_t n);

/* Bytes of the prefill of a session's whole context; then the blob itself, of that size. */
uint64_t kg_prefill_size(const struct kg_lm_session *session, struct kg_text system);
void kg_prefill_write(const struct kg_lm_session *session, struct kg_text system,
                      const struct kg_prefill_origin *origin, uint8_t *blob);

#endif
