/* Sizes of the model to train, and hyperparameters of Adam. */
#ifndef KGPT_TRAIN_SHAPE_H
#define KGPT_TRAIN_SHAPE_H

#include <stdint.h>

#include "kgpt/error.h"

struct kg_shape {
    uint32_t n_vocab; /* BOS included */
    uint32_t n_ctx;   /* block_size */
    uint32_t n_embd;
    uint32_t n_layer;
    uint32_t n_head;
    uint32_t n_ff;
};

struct kg_adam {
    double lr; /* initial learning rate; decays linearly: lr * (1 - step / steps) in step 0, 1, … */
    double beta1;
    double beta2;
    double eps;
    double weight_decay; /* decoupled (AdamW): each step subtracts lr_t * weight_decay * p */
    uint32_t steps;
};

/* microgpt's defaults: the rows KG_ADAM of kgpt/options.def. */
struct kg_adam kg_adam_defaults(void);

/* Refuses sizes of 0, an n_embd that is not a multiple of n_head, and more than 2^32 - 1 parameters. */
enum kg_status kg_shape_check(const struct kg_shape *shape, struct kg_error *error);
enum kg_status kg_adam_check(const struct kg_adam *adam, struct kg_error *error);

/* Offsets of the matrices in the parameter vector: wte, wpe, lm_head, then n_layer layers. */
struct kg_layout {
    uint64_t wte, wpe, lm_head;
    uint64_t layers;                        /* of the first layer */
    uint64_t layer_size;                    /* parameters of one layer */
    uint64_t wq, wk, wv, wo;                /* (n_embd, n_embd); from the start of a layer */
    uint64_t fc1 /* (n_ff, n_embd) */, fc2; /* (n_embd, n_ff) */
    uint64_t n_parameters;
};

struct kg_layout kg_layout_of(const struct kg_shape *shape);

#endif
