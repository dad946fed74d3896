/* From the fields of a file to a model's hyperparameters. What a field may hold is said in fields.def. */
#include "kgpt/math.h"
#include "kgpt/mem.h"
#include "lm_fields.h"

uint32_t kg_lm_count_layers(const struct kg_gguf *gguf)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < gguf->n_tensors; i++) {
        const struct kg_text *name = &gguf->tensors[i].name;
        uint32_t layer = 0;
        size_t at = 4;
        if (name->n <= at || memcmp(name->data, "blk.", at) != 0) {
            continue;
        }
        for (; at < name->n && name->data[at] >= '0' && name->data[at] <= '9'; at++) {
            layer = layer * 10 + (uint32_t)(name->data[at] - '0');
            if (layer >= KG_LM_MOST_LAYERS) {
                return KG_LM_MOST_LAYERS;
            }
        }
        most = at > 4 && layer + 1 > most ? layer + 1 : most;
    }
    return most;
}

static void fill_sizes(struct kg_lm_model *m, const struct kg_lm_fields *f)
{
    m->n_ctx_train = f->context_length < KG_LM_MOST_CTX ? (uint32_t)f->context_length : KG_LM_MOST_CTX;
    m->n_embd = (uint32_t)f->embedding_length;
    m->n_layer = (uint32_t)f->block_count;
    m->n_ff = (uint32_t)f->feed_forward_length;
    m->n_head = (uint32_t)f->head_count;
    m->n_head_kv = (uint32_t)f->head_count_kv;
    m->head_dim = (uint32_t)f->key_length;
}

static void fill_rope(struct kg_lm_rope_settings *rope, const struct kg_lm_model *m, const struct kg_lm_fields *f)
{
    bool scaled = f->scaling_type == KG_SCALING_LINEAR || f->scaling_type == KG_SCALING_YARN;
    *rope = (struct kg_lm_rope_settings){
        .n = m->arch->rope == KG_ROPE_NONE ? 0 : (uint32_t)f->rope_dimensions,
        .scaling = (enum kg_rope_scaling)f->scaling_type,
        .base = (float)f->rope_base,
        .local_base = (float)f->local_base,
        .factor = scaled ? (float)f->scaling_factor : 1.0f,
        .attn_factor = (float)f->scaling_attention,
        .beta_fast = (float)f->beta_fast,
        .beta_slow = (float)f->beta_slow,
        .n_ctx_original = (uint32_t)f->original_context,
    };
}

static void fill_scales(struct kg_lm_extra *extra, const struct kg_lm_model *m, const struct kg_lm_fields *f)
{
    extra->norm_eps = (float)(m->arch->norm == KG_NORM_LAYER ? f->epsilon : f->rms_epsilon);
    extra->attn_scale = 1.0f / kg_sqrtf((float)f->scale_divisor);
    extra->embedding_scale = m->arch->embedding_scale ? kg_sqrtf((float)m->n_embd) : 1.0f;
    /* A window as long as the context hides nothing, but its layers still have a RoPE base of their own. */
    extra->window = m->arch->window ? (uint32_t)f->window : 0;
    extra->pattern = (uint32_t)f->window_pattern;
}

static void fill_dims(struct kg_lm_extra *extra, const struct kg_lm_model *m)
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
    const struct kg_lm_tensor_facts tensors = {
        .layers = kg_lm_count_layers(model->gguf),
        .rope_factors = kg_gguf_tensor(model->gguf, "rope_factors_long.weight") ||
                        kg_gguf_tensor(model->gguf, "rope_factors_short.weight"),
    };
    struct kg_lm_fields fields;
    enum kg_status status = kg_lm_read_fields(&fields, model->gguf, model->arch, &tensors, error);
    if (status == KG_OK) {
        fill_sizes(model, &fields);
        fill_rope(&extra->rope, model, &fields);
        fill_scales(extra, model, &fields);
        fill_dims(extra, model);
    }
    return status;
}
