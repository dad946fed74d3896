/* A conversation as bytes: what must be kept for the same continuation, bit for bit. The random numbers of a reply
 * follow from its seed and its number, so no other state of the sampler is kept. Little endian:
 *     struct kg_kept_head
 *     settings[settings_n], reply[reply_n], zeros up to the next multiple of 64
 *     a prefill (kgpt/prefill.h) of the whole context: tokens, system prompt, keys and values */
#ifndef KGPT_KEPT_H
#define KGPT_KEPT_H

#include "kgpt/conversation.h"

enum {
#define KG_KEPT_NUMBER(name, value) KG_KEPT_##name = value,
#include "kgpt/store.def"
};

/* What a conversation was made with. */
struct kg_kept_origin {
    struct kg_prefill_origin of;   /* model and chat template */
    uint8_t vocab[KG_SHA256_SIZE]; /* kg_vocab_hash */
};

struct kg_kept_head {
    char magic[4]; /* "KGCV" */
    uint32_t version;
    uint32_t settings_n, reply_n;
    uint32_t replies, n_system, ask_at, reply_at;
    uint32_t pending, pending_n, moved_from, n; /* n: tokens */
    struct kg_kept_origin origin;
};

/* Bytes of a conversation that is not empty; then the bytes themselves. `settings`: the caller's own bytes. */
uint64_t kg_kept_size(const struct kg_conversation *conversation, struct kg_text system, struct kg_text settings);
void kg_kept_write(const struct kg_conversation *conversation, struct kg_text system, struct kg_text settings,
                   const struct kg_kept_origin *origin, uint8_t *bytes);

/* A kept conversation, in the memory of its bytes. */
struct kg_kept {
    struct kg_kept_head head;
    struct kg_text settings, reply;
    struct kg_prefill context;
    bool foreign; /* of another model with the same vocabulary: only its tokens count */
};

/* Checks the bytes. KG_E_INPUT: they are damaged, or were made with another vocabulary or chat template. */
enum kg_status kg_kept_open(struct kg_kept *kept, const void *bytes, uint64_t size, const struct kg_lm_loaded *loaded,
                            const struct kg_kept_origin *origin, struct kg_error *error);

/* True if the cache of the conversation takes the kept keys and values as they are. */
bool kg_kept_fits(const struct kg_kept *kept, const struct kg_conversation *conversation);

/* Makes the kept conversation the current one. Without kg_kept_fits its tokens are computed, which `stopped` may end;
 * KG_E_CONTEXT if the context is too small for them: then nothing has changed. After another failure the conversation
 * is empty. */
enum kg_status kg_kept_resume(const struct kg_kept *kept, struct kg_conversation *conversation, bool (*stopped)(void *),
                              void *context, struct kg_error *error);

#endif
