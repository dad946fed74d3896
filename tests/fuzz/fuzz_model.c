/* Fuzzes language models: opens any GGUF file and runs it for a few tokens. An accepted model must compute without
 * out-of-bounds accesses. The last byte of the file selects the options. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "checked_arena.h"
#include "kgpt/lm.h"
#include "ops/attention/versions.h"
#include "ops/quant/versions.h"
#include "promise.h"

#define N_TOKENS 5
#define MOST_LAYERS_SIZE (1u << 20)
#define MOST_WORK (1u << 22) /* limit of parameters times layers: larger models take too long */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static float dot(const float *a, const float *b, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* The instruction set of every machine. */
static void fill_ops(struct kg_quant_ops *ops)
{
    static const struct kg_ops base = {.isa = KG_ISA_C, .dot = dot};
    static kg_rows_fn *const rows[KG_N_ACTS] = {kg_rows_float_ref, kg_rows_q8_ref, kg_rows_q8k_ref};
    *ops = (struct kg_quant_ops){
        .base = &base,
        .act = {kg_act_f32_ref, kg_act_q8_ref, kg_act_q8k_ref},
        .attention = &kg_attention_ref,
    };
    for (uint32_t type = 0; type < KG_N_TYPES; type++) {
        ops->rows[type] = kg_type_info(type) ? rows[kg_type_info(type)->act] : NULL;
    }
}

static bool all_finite(const float *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i])) {
            return false;
        }
    }
    return true;
}

/* Returns false if the model computes NaN or infinity, and reports it; otherwise logits must be finite. */
static bool eval(struct kg_lm_session *session, const uint32_t *tokens, uint32_t n)
{
    struct kg_error error = {0};
    uint32_t before = session->n_past;
    enum kg_status status = kg_lm_eval(session, tokens, n, NULL, NULL, &error);
    if (status == KG_OK) {
        promise(session->n_past == before + n && all_finite(session->logits, session->model->n_vocab));
        return true;
    }
    promise(status == KG_E_NUMBERS && error.message[0] && error.hint[0] && session->n_past < before + n);
    return false;
}

/* One batch and single tokens must give the same bits, if all values are finite. */
static bool repeats(struct kg_lm_session *session, const uint32_t *tokens, uint32_t n)
{
    size_t size = session->model->n_vocab * sizeof(float);
    if (!eval(session, tokens, n)) {
        return false;
    }
    float *logits = malloc(size);
    memcpy(logits, session->logits, size);
    kg_lm_truncate(session, n / 2);
    bool whole = true;
    for (uint32_t i = n / 2; whole && i < n; i++) {
        whole = eval(session, tokens + i, 1);
    }
    promise(!whole || !memcmp(logits, session->logits, size));
    free(logits);
    return whole;
}

static void run(const struct kg_lm_model *model, uint8_t choice)
{
    struct kg_quant_ops ops;
    struct kg_arena arena;
    struct kg_lm_session session;
    struct kg_error error;
    uint32_t most = model->n_ctx_train < 8 ? model->n_ctx_train : 8;
    const struct kg_lm_options options = {.n_ctx = most, .n_batch = 1 + choice % 4, .kv = choice / 4 % 3};
    const uint32_t last = model->n_vocab - 1, tokens[N_TOKENS] = {0, last, last / 2, last, 0};
    uint32_t n = most < N_TOKENS ? most : N_TOKENS;
    fill_ops(&ops);
    struct kg_arena counted = kg_arena_counting();
    kg_lm_session_carve(&session, model, &ops, NULL, &options, &counted);
    kg_arena_init(&arena, NULL, counted.peak);
    kg_lm_session_carve(&session, model, &ops, NULL, &options, &arena);
    promise(arena.used == counted.used);
    kg_lm_session_fill(&session);
    bool whole = repeats(&session, tokens, n);
    if (whole && n == most) {
        promise(kg_lm_eval(&session, tokens, 1, NULL, NULL, &error) == KG_E_CONTEXT);
    }
    if (whole && n > 2) {
        kg_lm_shift(&session, 1, 1);
        eval(&session, tokens, 1);
    }
    kg_arena_rewind(&arena, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kg_arena header, arena;
    struct kg_gguf gguf;
    struct kg_lm_model model;
    struct kg_error error = {0};
    uint8_t *file = malloc(size ? size : 1); /* its matrices are interleaved in place */
    memcpy(file, data, size);
    kg_arena_init(&header, NULL, 4 * size + 512); /* see gguf_walk.c */
    kg_arena_init(&arena, NULL, 0);
    if (kg_gguf_open(&gguf, file, size, &header, &error) == KG_OK) {
        kg_arena_init(&arena, NULL, 8 * size + MOST_LAYERS_SIZE); /* eight rows of the longest matrix */
        enum kg_status status = kg_lm_open(&model, &gguf, size && data[size - 1] & 1, &arena, &error);
        promise(status == KG_OK || (status == KG_E_INPUT && error.message[0] && error.hint[0]));
        if (status == KG_OK && model.n_parameters * model.n_layer < MOST_WORK) {
            run(&model, data[size - 1]);
        }
    }
    kg_arena_rewind(&arena, 0);
    kg_arena_rewind(&header, 0);
    free(file);
    return 0;
}
