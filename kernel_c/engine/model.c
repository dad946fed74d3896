/* Opens the model in the kernel, and checks all of it before its use: see kgpt/model.h. */
#include "kgpt/model.h"

#include <stdbool.h>

#include "kgpt/crc32.h"
#include "kgpt/mem.h"

#define KG_MAX_SIZE (1u << 24) /* of any one dimension: products of two fit 48 bits */

static const char damaged_hint[] = "the kernel is damaged or was made by another version of kgpt: build it again";

static enum kg_status refuse_model(struct kg_error *error, const char *what, uint64_t found, uint64_t expected)
{
    kg_error_set(error, KG_E_INPUT, "the embedded model has %s %lu, expected %lu", what, (unsigned long)found,
                 (unsigned long)expected);
    kg_error_hint(error, "%s", damaged_hint);
    return KG_E_INPUT;
}

static enum kg_status check_identity(const struct kg_model_data *data, struct kg_error *error)
{
    static const char arch[sizeof data->arch] = "microgpt";
    if (data->magic != KG_MODEL_MAGIC) {
        return refuse_model(error, "magic", data->magic, KG_MODEL_MAGIC);
    }
    if (data->version != KG_MODEL_VERSION) {
        return refuse_model(error, "format version", data->version, KG_MODEL_VERSION);
    }
    if (memcmp(data->arch, arch, sizeof arch) != 0) {
        kg_error_set(error, KG_E_INPUT, "the embedded model's architecture '%.16s' is unknown", data->arch);
        kg_error_hint(error, "this kernel runs: microgpt");
        return KG_E_INPUT;
    }
    if (data->weight_type != KG_MODEL_F32) {
        return refuse_model(error, "weight type", data->weight_type, KG_MODEL_F32);
    }
    if (data->name[sizeof data->name - 1] != '\0') {
        return kg_error_set(error, KG_E_INPUT, "the embedded model's name has no end");
    }
    return KG_OK;
}

static enum kg_status check_sizes(const struct kg_model_data *data, struct kg_error *error)
{
    const struct {
        const char *name;
        uint32_t value;
    } sizes[] = {
        {"n_vocab", data->n_vocab}, {"n_ctx", data->n_ctx},   {"n_embd", data->n_embd},
        {"n_layer", data->n_layer}, {"n_head", data->n_head}, {"n_head_kv", data->n_head_kv},
        {"n_ff", data->n_ff},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        if (sizes[i].value == 0 || sizes[i].value > KG_MAX_SIZE) {
            kg_error_set(error, KG_E_INPUT, "the embedded model has %s = %u, which cannot be", sizes[i].name,
                         sizes[i].value);
            kg_error_hint(error, "%s", damaged_hint);
            return KG_E_INPUT;
        }
    }
    if (data->n_embd % data->n_head || data->n_head % data->n_head_kv) {
        kg_error_set(error, KG_E_INPUT,
                     "the embedded model cannot divide width %u by %u heads, or these by %u key heads", data->n_embd,
                     data->n_head, data->n_head_kv);
        kg_error_hint(error, "%s", damaged_hint);
        return KG_E_INPUT;
    }
    if (!(data->norm_eps >= 0) || data->norm_eps > 1) {
        return kg_error_set(error, KG_E_INPUT, "the embedded model has an impossible norm_eps");
    }
    return KG_OK;
}

/* Floats of one layer; with every dimension at most 2^24 this stays below 2^51. */
static uint64_t layer_parameters(const struct kg_model *m)
{
    uint64_t width = m->n_embd;
    return 2 * width * width + 2 * width * m->kv_dim + 2 * width * m->n_ff;
}

static bool count_parameters(struct kg_model *m)
{
    uint64_t embeddings = (2 * (uint64_t)m->n_vocab + m->n_ctx) * m->n_embd;
    uint64_t bytes;
    return !__builtin_mul_overflow(layer_parameters(m), (uint64_t)m->n_layer, &m->n_parameters) &&
           !__builtin_add_overflow(m->n_parameters, embeddings, &m->n_parameters) &&
           !__builtin_mul_overflow(m->n_parameters, sizeof(float), &bytes);
}

static enum kg_status check_places(const struct kg_model *m, uint64_t available, struct kg_error *error)
{
    const struct kg_model_data *data = m->data;
    if (data->weights_size != m->n_parameters * sizeof(float)) {
        return refuse_model(error, "bytes of weights", data->weights_size, m->n_parameters * sizeof(float));
    }
    if (data->vocab_offset != sizeof *data) {
        return refuse_model(error, "its vocabulary at byte", data->vocab_offset, sizeof *data);
    }
    uint64_t vocab_end, weights_end;
    if (__builtin_add_overflow(data->vocab_offset, data->vocab_size, &vocab_end) || vocab_end > data->weights_offset ||
        data->weights_offset % KG_MODEL_ALIGN ||
        __builtin_add_overflow(data->weights_offset, data->weights_size, &weights_end) || weights_end > data->size) {
        kg_error_set(error, KG_E_INPUT, "the parts of the embedded model overlap or lie outside of it");
        kg_error_hint(error, "%s", damaged_hint);
        return KG_E_INPUT;
    }
    if (data->size > available || data->size - weights_end >= KG_MODEL_ALIGN) {
        return refuse_model(error, "bytes", data->size, weights_end);
    }
    return KG_OK;
}

static enum kg_status check_weights(const struct kg_model *m, struct kg_error *error)
{
    const float *weights = m->wte;
    for (uint64_t i = 0; i < m->n_parameters; i++) {
        if (!(weights[i] - weights[i] == 0)) { /* infinities and NaN */
            return kg_error_set(error, KG_E_INPUT, "weight %lu of the embedded model is not a number",
                                (unsigned long)i);
        }
    }
    return KG_OK;
}

static enum kg_status check_crc(const struct kg_model_data *data, struct kg_error *error)
{
    uint32_t crc = kg_crc32((const uint8_t *)data + sizeof *data, data->size - sizeof *data);
    if (crc != data->crc32) {
        kg_error_set(error, KG_E_INPUT, "the embedded model's check sum is %08x, expected %08x", crc, data->crc32);
        kg_error_hint(error, "%s", damaged_hint);
        return KG_E_INPUT;
    }
    return KG_OK;
}

static void copy_sizes(struct kg_model *m, const struct kg_model_data *data)
{
    *m = (struct kg_model){
        .data = data,
        .n_vocab = data->n_vocab,
        .n_ctx = data->n_ctx,
        .n_embd = data->n_embd,
        .n_layer = data->n_layer,
        .n_head = data->n_head,
        .n_head_kv = data->n_head_kv,
        .n_ff = data->n_ff,
        .head_dim = data->n_embd / data->n_head,
        .kv_dim = data->n_embd / data->n_head * data->n_head_kv,
        .norm_eps = data->norm_eps,
    };
}

static void place_weights(struct kg_model *m)
{
    m->wte = (const float *)(const void *)((const uint8_t *)m->data + m->data->weights_offset);
    m->wpe = m->wte + (uint64_t)m->n_vocab * m->n_embd;
    m->lm_head = m->wpe + (uint64_t)m->n_ctx * m->n_embd;
    m->layers = m->lm_head + (uint64_t)m->n_vocab * m->n_embd;
}

enum kg_status kg_model_open(struct kg_model *model, const struct kg_model_data *data, uint64_t available,
                             struct kg_error *error)
{
    if (available < sizeof *data) {
        return refuse_model(error, "bytes", available, sizeof *data);
    }
    enum kg_status status = check_identity(data, error);
    if (status == KG_OK) {
        status = check_sizes(data, error);
    }
    if (status != KG_OK) {
        return status;
    }
    copy_sizes(model, data);
    if (!count_parameters(model)) {
        return kg_error_set(error, KG_E_INPUT, "the embedded model's sizes are too large for any memory");
    }
    status = check_places(model, available, error);
    if (status == KG_OK) {
        status = check_crc(data, error);
    }
    if (status != KG_OK) {
        return status;
    }
    place_weights(model);
    status = check_weights(model, error);
    if (status != KG_OK) {
        return status;
    }
    return kg_tokenizer_open(&model->tokenizer, (const uint8_t *)data + data->vocab_offset, data->vocab_size,
                             data->n_vocab, data->bos_id, error);
}

struct kg_layer kg_model_layer(const struct kg_model *m, uint32_t layer)
{
    uint64_t square = (uint64_t)m->n_embd * m->n_embd, key = (uint64_t)m->kv_dim * m->n_embd;
    const float *wq = m->layers + layer * layer_parameters(m);
    return (struct kg_layer){
        .wq = wq,
        .wk = wq + square,
        .wv = wq + square + key,
        .wo = wq + square + 2 * key,
        .fc1 = wq + 2 * square + 2 * key,
        .fc2 = wq + 2 * square + 2 * key + (uint64_t)m->n_ff * m->n_embd,
    };
}
