/* Fuzzes prefills (kgpt/prefill.h) of a small model. The first byte says which fields are corrected, because a fuzzer
 * cannot guess a check sum: the CRC, the size, the hashes. An accepted prefill is loaded into a session, and written
 * from there again: to the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "checked_arena.h"
#include "infer/kv.h"
#include "kgpt/crc32.h"
#include "kgpt/prefill.h"
#include "promise.h"

#define SIZE_AT 8
#define CRC_AT 16
#define CRC_START 20
#define ORIGIN_AT 48
#define N_CTX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct kg_lm_model model = {
    .n_vocab = 9, .n_ctx_train = N_CTX, .n_layer = 2, .n_head = 2, .n_head_kv = 2, .head_dim = 4};
static const struct kg_prefill_origin origin = {.model = {1}, .chat = {2}};

static void correct(uint8_t *blob, uint64_t n, uint8_t fields)
{
    if (n < ORIGIN_AT + sizeof origin) {
        return;
    }
    if (fields & 1) {
        memcpy(blob + SIZE_AT, &n, sizeof n);
    }
    if (fields & 2) {
        memcpy(blob + ORIGIN_AT, &origin, sizeof origin);
    }
    if (fields & 4) {
        uint32_t crc = kg_crc32_long(blob + CRC_START, n - CRC_START);
        memcpy(blob + CRC_AT, &crc, sizeof crc);
    }
}

/* The prefill's tokens, and one more. */
static void read_tokens(const struct kg_prefill *prefill, uint32_t tokens[N_CTX + 1])
{
    promise(prefill->n >= 1 && prefill->n <= N_CTX);
    memcpy(tokens, prefill->tokens, prefill->n * sizeof *tokens);
    for (uint32_t i = 0; i < prefill->n; i++) {
        promise(tokens[i] < model.n_vocab);
    }
    tokens[prefill->n] = 0;
}

/* The context as a prefill is the prefill that it began with. */
static void write_context(const struct kg_lm_session *session, const struct kg_prefill *prefill, const uint8_t *blob)
{
    promise(session->n_past == prefill->n && kg_prefill_size(session, prefill->system) == prefill->size);
    uint8_t *again = malloc(prefill->size);
    kg_prefill_write(session, prefill->system, &origin, again);
    size_t texts = ORIGIN_AT + sizeof origin + prefill->n * sizeof(uint32_t) + prefill->system.n + 1;
    promise(memcmp(again + CRC_START, blob + CRC_START, texts - CRC_START) == 0); /* then comes padding, of any bytes */
    size_t keys = (size_t)(prefill->keys - blob);
    promise(memcmp(again + keys, blob + keys, prefill->size - keys) == 0);
    free(again);
}

static void use(const struct kg_prefill *prefill, const uint8_t *blob)
{
    struct kg_lm_kv kv;
    struct kg_arena arena;
    uint32_t tokens[N_CTX + 1], context[N_CTX + 1];
    struct kg_lm_session session = {.model = &model, .kv = &kv, .tokens = context};
    session.options = (struct kg_lm_options){.n_ctx = N_CTX, .n_batch = 1, .kv = prefill->kv};
    kg_arena_init(&arena, NULL, 1 << 16);
    kg_lm_kv_carve(&kv, &model, NULL, &session.options, &arena);
    promise(strlen(prefill->system.data) == prefill->system.n);
    promise(kg_prefill_fits(prefill, &session));
    read_tokens(prefill, tokens);
    promise(kg_prefill_begin(prefill, &session, tokens, prefill->n) == prefill->n - 1);
    promise(kg_prefill_begin(prefill, &session, tokens, prefill->n + 1) == prefill->n);
    write_context(&session, prefill, blob);
    kg_lm_own(&session);
    promise(kv.base.n == 0);
    write_context(&session, prefill, blob);
    kg_arena_rewind(&arena, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kg_prefill prefill;
    struct kg_error error = {0};
    if (size == 0) {
        return 0;
    }
    uint64_t n = size - 1;
    uint8_t *blob = malloc(n ? n : 1); /* exact size, for heap checkers; never NULL */
    memcpy(blob, data + 1, n);
    correct(blob, n, data[0]);
    enum kg_status status = kg_prefill_open(&prefill, blob, n, &model, &origin, &error);
    promise(status == KG_OK || (status == KG_E_INPUT && error.message[0] && error.hint[0] && !prefill.n));
    if (status == KG_OK) {
        use(&prefill, blob);
    }
    free(blob);
    return 0;
}
