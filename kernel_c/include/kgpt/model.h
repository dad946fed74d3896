/* A microgpt that was checked and can run. Immutable; the weights stay in the kernel. */
#ifndef KGPT_MODEL_H
#define KGPT_MODEL_H

#include <stdint.h>

#include "kgpt/error.h"
#include "kgpt/model_data.h"
#include "kgpt/tokenizer.h"

struct kg_model {
    const struct kg_model_data *data;
    struct kg_tokenizer tokenizer;
    uint32_t n_vocab, n_ctx, n_embd, n_layer, n_head, n_head_kv, n_ff;
    uint32_t head_dim; /* n_embd / n_head */
    uint32_t kv_dim;   /* head_dim * n_head_kv: the width of a key or a value */
    float norm_eps;
    uint64_t n_parameters;
    const float *wte;     /* (n_vocab, n_embd) */
    const float *wpe;     /* (n_ctx, n_embd) */
    const float *lm_head; /* (n_vocab, n_embd) */
    const float *layers;  /* n_layer times the matrices of struct kg_layer */
};

/* The matrices of one layer. */
struct kg_layer {
    const float *wq;  /* (n_embd, n_embd) */
    const float *wk;  /* (kv_dim, n_embd) */
    const float *wv;  /* (kv_dim, n_embd) */
    const float *wo;  /* (n_embd, n_embd) */
    const float *fc1; /* (n_ff, n_embd) */
    const float *fc2; /* (n_embd, n_ff) */
};

/* Checks all of `data` (`available` readable bytes): magic, version, architecture, sizes, offsets, vocabulary,
 * checksum, and that every weight is finite. */
enum kg_status kg_model_open(struct kg_model *model, const struct kg_model_data *data, uint64_t available,
                             struct kg_error *error);

struct kg_layer kg_model_layer(const struct kg_model *model, uint32_t layer);

#endif
