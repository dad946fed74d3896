/* The private part of a model (kgpt/lm.h): its layers, norms, positions and scales. */
#ifndef KGPT_INFER_LM_MODEL_H
#define KGPT_INFER_LM_MODEL_H

#include "arch.h"
#include "kgpt/lm.h"

struct kg_lm_layer {
    struct kg_matrix matrices[KG_N_LAYER_MATRICES]; /* one that is not there has no data */
    const float *vectors[KG_N_LAYER_VECTORS];       /* NULL where not there */
    uint32_t window;                                /* positions that are looked at, this one included; 0: all */
};

enum kg_rope_scaling { /* rope_freqs.weight may be there with any of them */
#define KG_SCALING(id, name) KG_SCALING_##id,
#include "fields.def"
};

struct kg_lm_rope_settings {
    uint32_t n; /* values of a head that are turned */
    enum kg_rope_scaling scaling;
    float base;
    float local_base; /* in layers with a window, which are not scaled; 0: the same */
    float factor;     /* positions are divided by it */
    float attn_factor;
    float beta_fast, beta_slow; /* YaRN: turns over the original context, between which it goes from one to the other */
    uint32_t n_ctx_original;
};

struct kg_lm_extra {
    struct kg_matrix matrices[KG_N_MODEL_MATRICES];
    const float *vectors[KG_N_MODEL_VECTORS];
    float norm_eps;
    float embedding_scale; /* 1: none */
    float attn_scale;      /* of query times key */
    uint32_t window;       /* of the layers that have one; 0: none has */
    uint32_t pattern;      /* of so many layers the last one has no window; 0: all have it */
    struct kg_lm_rope_settings rope;
    uint32_t longest;         /* row of any matrix */
    bool takes[KG_N_ACTS];    /* does any matrix take such activations? */
    uint32_t dims[KG_N_DIMS]; /* enum kg_lm_dim */
};

/* Sizes of buffers; fields.def lets nothing larger in. */
#define KG_LM_MOST_LAYERS 1024u
#define KG_LM_MOST_HEAD_DIM 512u
#define KG_LM_MOST_WIDTH (1u << 20)
#define KG_LM_MOST_CTX (1u << 20) /* KG_TRIG_MAX */

static inline uint32_t kg_lm_q_dim(const struct kg_lm_model *m)
{
    return m->n_head * m->head_dim;
}

static inline uint32_t kg_lm_kv_dim(const struct kg_lm_model *m)
{
    return m->n_head_kv * m->head_dim;
}

/* The highest N of the tensors "blk.N." and one; at most KG_LM_MOST_LAYERS. */
uint32_t kg_lm_count_layers(const struct kg_gguf *gguf);

/* The model's fields and *extra from the file's hyperparameters; `layers` is not filled. */
enum kg_status kg_lm_read_hyperparameters(struct kg_lm_model *model, struct kg_lm_extra *extra, struct kg_error *error);

/* All tensors into *extra and `layers` (model->n_layer), checked against the description of the architecture. */
enum kg_status kg_lm_read_tensors(struct kg_lm_model *model, struct kg_lm_extra *extra, struct kg_lm_layer *layers,
                                  bool interleaved, struct kg_error *error);

/* Brings every matrix of the file into the layout of kgpt/quant.h. `scratch`: kg_lm_interleave_size() bytes. */
void kg_lm_interleave(const struct kg_lm_model *model, struct kg_lm_extra *extra, struct kg_lm_layer *layers,
                      void *scratch);

#endif
