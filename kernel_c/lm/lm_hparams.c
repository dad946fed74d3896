/* A model's hyperparameters, each by the name that GGUF gives it. */
#include "kgpt/format.h"
#include "kgpt/math.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"
#include "lm_model.h"

#define DEFAULT_BASE 10000.0f
#define GEMMA3_27B_LAYERS 62 /* the one that divides by other than the square root of a head's size */

/* One file, one architecture: what every question needs. `status` stays at the first refusal. */
struct reader {
    const struct kg_gguf *gguf;
    const char *arch;
    struct kg_error *error;
    enum kg_status status;
    char key[96];
};

static const char *key_of(struct reader *r, const char *name)
{
    kg_format(r->key, sizeof r->key, "%s.%s", r->arch, name);
    return r->key;
}

static void refuse(struct reader *r, const char *name, const char *why)
{
    if (r->status == KG_OK) {
        r->status = kg_error_set(r->error, KG_E_INPUT, "the field \"%s\" %s", key_of(r, name), why);
    }
}

static uint32_t optional_u32(struct reader *r, const char *name, uint32_t otherwise)
{
    uint32_t value = otherwise;
    if (r->status == KG_OK) {
        r->status = kg_gguf_u32_or(r->gguf, key_of(r, name), &value, r->error);
    }
    return value;
}

/* A size that must be there, 1 to `most`. */
static uint32_t size(struct reader *r, const char *name, uint32_t most)
{
    uint32_t value = 0;
    if (r->status == KG_OK) {
        r->status = kg_gguf_u32(r->gguf, key_of(r, name), &value, r->error);
    }
    if (r->status == KG_OK && (value < 1 || value > most)) {
        r->status =
            kg_error_set(r->error, KG_E_INPUT, "the field \"%s\" is %u, not 1 to %u", key_of(r, name), value, most);
    }
    return value;
}

static float optional_f32(struct reader *r, const char *name, float otherwise)
{
    float value = otherwise;
    if (r->status == KG_OK) {
        r->status = kg_gguf_f32_or(r->gguf, key_of(r, name), &value, r->error);
    }
    if (r->status == KG_OK && !(value > 0 && value < __builtin_inff()) && value != otherwise) {
        refuse(r, name, "is not a positive number");
    }
    return value;
}

/* Fields "arch.…" that nobody here knows would be obeyed elsewhere. */
static void refuse_unknown(struct reader *r)
{
    size_t n = kg_strlen(r->arch);
    for (uint32_t i = 0; i < r->gguf->n_fields && r->status == KG_OK; i++) {
        const struct kg_text *key = &r->gguf->fields[i].key;
        if (key->n > n + 1 && memcmp(key->data, r->arch, n) == 0 && key->data[n] == '.' &&
            !kg_lm_key_known(key->data + n + 1, key->n - n - 1)) {
            int shown = key->n < 96 ? (int)key->n : 96;
            r->status = kg_error_set(r->error, KG_E_INPUT, "the field \"%.*s\" is not supported", shown, key->data);
            kg_error_hint(r->error, "it may change what the model computes");
        }
    }
}

static void read_sizes(struct reader *r, struct kg_lm_model *m)
{
    m->n_ctx_train = size(r, "context_length", UINT32_MAX);
    m->n_ctx_train = m->n_ctx_train < KG_LM_MOST_CTX ? m->n_ctx_train : KG_LM_MOST_CTX;
    m->n_embd = size(r, "embedding_length", KG_LM_MOST_WIDTH);
    m->n_layer = size(r, "block_count", KG_LM_MOST_LAYERS);
    m->n_ff = size(r, "feed_forward_length", KG_LM_MOST_WIDTH);
    m->n_head = size(r, "attention.head_count", KG_LM_MOST_HEADS);
    m->n_head_kv = optional_u32(r, "attention.head_count_kv", m->n_head);
    m->n_head_kv = m->n_head_kv ? m->n_head_kv : m->n_head;
    if (r->status != KG_OK) {
        return;
    }
    if (m->n_head % m->n_head_kv) {
        r->status =
            kg_error_set(r->error, KG_E_INPUT, "%u query heads cannot share %u key heads", m->n_head, m->n_head_kv);
    }
    m->head_dim = optional_u32(r, "attention.key_length", m->n_embd / m->n_head);
    if (optional_u32(r, "attention.value_length", m->head_dim) != m->head_dim) {
        refuse(r, "attention.value_length", "is another size than the keys', which is not supported");
    }
    if (m->head_dim < 1 || m->head_dim > KG_LM_MOST_HEAD_DIM) {
        refuse(r, "attention.key_length", "or the embedding over the heads is not 1 to 512");
    }
}

static void read_scaling_type(struct reader *r, struct kg_lm_rope_settings *rope)
{
    static const char *const names[] = {
        [KG_SCALING_NONE] = "none",
        [KG_SCALING_LINEAR] = "linear",
        [KG_SCALING_YARN] = "yarn",
        [KG_SCALING_LONGROPE] = "longrope",
    };
    struct kg_text type;
    if (r->status != KG_OK || !kg_gguf_find(r->gguf, key_of(r, "rope.scaling.type"))) {
        return;
    }
    r->status = kg_gguf_text(r->gguf, r->key, &type, r->error);
    for (uint32_t i = 0; i < sizeof names / sizeof *names && r->status == KG_OK; i++) {
        if (kg_strlen(names[i]) == type.n && memcmp(names[i], type.data, type.n) == 0) {
            rope->scaling = i;
            return;
        }
    }
    refuse(r, "rope.scaling.type", "is not none, linear, yarn or longrope");
}

static void read_rope(struct reader *r, const struct kg_lm_model *m, struct kg_lm_rope_settings *rope)
{
    rope->n = optional_u32(r, "rope.dimension_count", m->head_dim);
    if (m->arch->rope == KG_ROPE_NONE) {
        rope->n = 0;
    } else if (rope->n < 2 || rope->n > m->head_dim || rope->n % 2) {
        refuse(r, "rope.dimension_count", "is not an even number, at least 2 and at most the size of a head");
    }
    rope->base = optional_f32(r, "rope.freq_base", DEFAULT_BASE);
    rope->local_base = optional_f32(r, "rope.freq_base_swa", m->arch->local_base);
    read_scaling_type(r, rope);
    float linear = optional_f32(r, "rope.scale_linear", 1.0f);
    rope->factor = optional_f32(r, "rope.scaling.factor", linear);
    if (rope->scaling == KG_SCALING_NONE && linear != 1.0f) {
        rope->scaling = KG_SCALING_LINEAR; /* as files of 2023 say it */
    }
    if (rope->scaling == KG_SCALING_NONE || rope->scaling == KG_SCALING_LONGROPE) {
        rope->factor = 1.0f;
    }
    rope->attn_factor = optional_f32(r, "rope.scaling.attn_factor", 1.0f);
    rope->beta_fast = optional_f32(r, "rope.scaling.yarn_beta_fast", 32.0f);
    rope->beta_slow = optional_f32(r, "rope.scaling.yarn_beta_slow", 1.0f);
    rope->n_ctx_original = optional_u32(r, "rope.scaling.original_context_length", m->n_ctx_train);
}

static void read_scales(struct reader *r, const struct kg_lm_model *m, struct kg_lm_extra *extra)
{
    const char *eps =
        m->arch->norm == KG_NORM_LAYER ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon";
    extra->norm_eps = optional_f32(r, eps, 0.0f);
    if (!kg_gguf_find(r->gguf, key_of(r, eps))) {
        refuse(r, eps, "is missing");
    }
    bool by_heads = m->arch->pattern && m->n_layer == GEMMA3_27B_LAYERS;
    float divisor = (float)(by_heads ? m->n_embd / m->n_head : m->head_dim);
    extra->attn_scale = optional_f32(r, "attention.scale", 1.0f / kg_sqrtf(divisor));
    extra->embedding_scale = m->arch->embedding_scale ? kg_sqrtf((float)m->n_embd) : 1.0f;
    bool causal = true;
    if (r->status == KG_OK) {
        r->status = kg_gguf_bool_or(r->gguf, key_of(r, "attention.causal"), &causal, r->error);
    }
    if (!causal) {
        refuse(r, "attention.causal", "is false: the model does not generate text");
    }
    if (optional_u32(r, "expert_count", 0)) {
        refuse(r, "expert_count", "is not 0: mixtures of experts are not supported");
    }
}

static void read_window(struct reader *r, const struct kg_lm_model *m, struct kg_lm_extra *extra)
{
    extra->window = optional_u32(r, "attention.sliding_window", 0);
    extra->pattern = optional_u32(r, "attention.sliding_window_pattern", m->arch->pattern);
    if (m->arch->window) {
        return; /* one as long as the context hides nothing, but its layers still have a RoPE base of their own */
    }
    if (extra->window && extra->window < m->n_ctx_train) {
        refuse(r, "attention.sliding_window", "is not supported for this architecture");
    }
    extra->window = 0;
}

static void fill_dims(const struct kg_lm_model *m, struct kg_lm_extra *extra)
{
    uint32_t *dims = extra->dims;
    dims[KG_DIM_CTX] = m->n_ctx_train;
    dims[KG_DIM_EMBD] = m->n_embd;
    dims[KG_DIM_Q] = kg_lm_q_dim(m);
    dims[KG_DIM_KV] = kg_lm_kv_dim(m);
    dims[KG_DIM_QKV] = dims[KG_DIM_Q] + 2 * dims[KG_DIM_KV];
    dims[KG_DIM_HEAD] = m->head_dim;
    dims[KG_DIM_FF] = m->n_ff;
    dims[KG_DIM_FF_TWICE] = 2 * m->n_ff;
    dims[KG_DIM_ROPE_PAIRS] = extra->rope.n / 2;
}

enum kg_status kg_lm_read_hyperparameters(struct kg_lm_model *model, struct kg_lm_extra *extra, struct kg_error *error)
{
    struct reader r = {model->gguf, model->arch->name, error, KG_OK, ""};
    refuse_unknown(&r);
    read_sizes(&r, model);
    if (r.status == KG_OK) {
        read_rope(&r, model, &extra->rope);
        read_scales(&r, model, extra);
        read_window(&r, model, extra);
        fill_dims(model, extra);
    }
    return r.status;
}
