/* Internals of the trainer on a running text: the layout in memory, and the functions that are compiled once per ISA.
 *
 * Parameters are one array of tensors in GGUF's order, rows contiguous as in the file. Every tensor begins at a
 * multiple of KG_DENSE_LANES; what lies between two tensors is 0 and stays 0. q, k and v are one matrix, and so are
 * gate and up.
 *
 * Activations are matrices (rows of a group of windows, features). Their stride is an odd number of cache lines, so
 * that no two rows share a cache set. What lies behind the features of a row is undefined.
 *
 * Sums over features have KG_DENSE_LANES partial sums, element j in sum j % KG_DENSE_LANES, and one tree adds them.
 * Products of matrices are chains of additions: see dense_matmul.h. */
#ifndef KGPT_TRAIN_DENSE_INTERNAL_H
#define KGPT_TRAIN_DENSE_INTERNAL_H

#include <stdbool.h>

#include "kgpt/train_dense.h"

#define KG_DENSE_LANES 16u
#define KG_DENSE_PANEL 32u   /* columns of a packed panel */
#define KG_DENSE_DEEP 128u   /* of a product's sums, as many terms as are added at a time */
#define KG_DENSE_BLOCK 4096u /* parameters whose gradients are added together */
#define KG_DENSE_SLACK 64u   /* floats behind an array that vectors may read */
#define KG_DENSE_ROWS 512u   /* of a group of windows, where one window has fewer */

/* A matrix (rows, columns) of the parameters, and its two packed forms: for x W^T and for x W. */
struct kg_dense_matrix {
    size_t at;
    uint32_t rows, columns;
    size_t forward, backward; /* in the packed weights */
};

/* Sizes in floats. Offsets of a layer's tensors are those of layer 0; `layer_size` and `layer_packed` lead on. */
struct kg_dense_dims {
    struct kg_dense_shape shape;
    uint32_t head_dim, n_ff, n_up; /* n_up: n_ff, or twice that with a gate */
    uint32_t n_qkv;
    bool bias, gain, positions, rope, centred, embedding_norm;
    float score_scale;                                  /* 1 / sqrt(head_dim) */
    uint32_t s_embd, s_qkv, s_up, s_ff, s_vocab, s_ctx; /* strides of rows */
    struct kg_dense_matrix embedding, qkv, o, up, down, output;
    size_t position_embd, output_norm, output_norm_bias;
    size_t attn_norm, attn_norm_bias, qkv_bias, o_bias, ffn_norm, ffn_norm_bias, up_bias, down_bias;
    size_t layer_size, layer_packed, n_floats, n_packed;
};

/* One tensor of the plan; absent ones have no rows. Some hold several tensors of the file, one behind the other. */
struct kg_dense_tensor {
    size_t at;
    uint32_t rows, columns; /* vectors have one row */
    uint32_t parts;         /* tensors of the file */
    uint32_t layer;         /* from 1; 0: none */
    uint32_t drawn;         /* KG_DRAWN_…: the first part's stream of first weights */
    bool is_matrix, is_gain, is_residual;
};

#define KG_DENSE_TENSORS_BEFORE 2u
#define KG_DENSE_TENSORS_A_LAYER 12u
#define KG_DENSE_TENSORS_BEHIND 3u

/* What a layer keeps for its backward pass. */
struct kg_dense_layer {
    float *hat1, *y1, *scale1; /* s_embd, s_embd, 1: normalised, with gain and bias, 1 / deviation */
    float *qkv;                /* s_qkv */
    float *p;                  /* (windows, n_head, n_ctx, s_ctx): attention weights before dropout */
    float *attended;           /* s_embd */
    float *hat2, *y2, *scale2;
    float *up;  /* s_up: before the activation */
    float *act; /* s_ff: after it */
};

/* The memory in which one CPU computes a group of windows. */
struct kg_dense_memory {
    struct kg_dense_layer *layers;
    float *x;                    /* s_embd: the residual stream, later its derivative */
    float *hat0, *scale0;        /* of the norm behind the embedding */
    float *hat, *y, *scale;      /* of the last norm */
    float *logits;               /* s_vocab, then their derivatives */
    float *rows1, *rows2;        /* s_embd */
    float *d_qkv, *d_up, *d_act; /* s_qkv, s_up, s_ff */
    float *d_p, *dropped;        /* (n_ctx, s_ctx) of one head */
    float *panels;               /* the packed operand of a product */
    float *narrow;               /* (KG_DENSE_DEEP, 16): a packed strip of the other operand */
    uint32_t *tokens, *targets;  /* (rows) */
    uint32_t *begins;            /* (windows): in the text */
    double loss;                 /* sum over the rows */
} __attribute__((aligned(KG_ARENA_ALIGN)));

/* Which elements of a tensor dropout keeps: kept() of kgpt_build/reference/draws.py. */
struct kg_dense_dropout {
    uint32_t low, high; /* the key */
    int32_t least;      /* of a kept element's number */
    float scale;        /* 1 / (1 - rate); 0: no dropout at all */
};

struct kg_dense_pass {
    const struct kg_dense_dims *dims;
    const float *weights, *packed;
    const float *turns; /* (n_ctx, head_dim): cosine and sine of RoPE's angles, pair by pair */
    struct kg_dense_memory *memory;
    float *gradients;
    const struct kg_dense_dropout *sites; /* (3 n_layer + 1); NULL: no dropout */
    uint32_t first, windows;              /* of the batch */
    float weight;                         /* of one token in the loss */
};

/* One step of AdamW with what depends on the step worked out. */
struct kg_dense_rates {
    float beta1, keep1, beta2, keep2; /* keep: 1 - beta */
    float rate;                       /* lr_t / (1 - beta1^t) */
    float root2;                      /* 1 / sqrt(1 - beta2^t) */
    float eps, decay;                 /* decay: 1 - lr_t * weight_decay */
    float clip;                       /* what gradients are multiplied by */
};

/* Parameters from .. to - 1 of one tensor. */
struct kg_dense_slice {
    float *weights, *mean, *square;
    const float *gradients;
    size_t from, to;
};

struct kg_dense_functions {
    enum kg_isa isa;
    void (*forward)(const struct kg_dense_pass *pass);  /* memory->tokens to memory->loss and derivatives of logits */
    void (*backward)(const struct kg_dense_pass *pass); /* after forward; adds to gradients */
    void (*pack)(const struct kg_dense_matrix *matrix, const float *weights, float *packed);
    /* Adds floats from .. to of the other chunks to those of the first, and returns the sum of their squares. */
    double (*sum)(float *const *gradients, uint32_t n_chunks, size_t from, size_t to);
    void (*update)(const struct kg_dense_slice *slice, const struct kg_dense_rates *rates);
};

extern const struct kg_dense_functions kg_dense_functions_c;

struct kg_dense {
    struct kg_dense_settings settings;
    struct kg_dense_text text;
    struct kg_dense_dims dims;
    const struct kg_dense_functions *functions;
    uint64_t steps_done;
    float *weights, *mean, *square, *packed;
    float *turns;
    float **gradients; /* (n_chunks) of (n_floats) */
    double *squares;   /* (n_blocks): sums of squares of gradients */
    double *losses;    /* (n_chunks), sums over tokens */
    struct kg_dense_dropout *sites;
    uint32_t *begins; /* (batch): windows of this step */
    uint32_t n_chunks, n_memories, n_blocks;
    uint32_t group; /* windows that are computed together */
    struct kg_dense_memory *memories;
    uint32_t next_chunk;   /* not taken yet */
    uint32_t *eval_begins; /* (n_eval) */
    double *eval_losses;   /* (n_eval_blocks) */
    uint32_t n_eval, n_eval_blocks, next_eval;
};

/* dense_shape.c */
struct kg_dense_dims kg_dense_dims_of(const struct kg_dense_shape *shape);
uint32_t kg_dense_n_tensors(const struct kg_dense_dims *dims);
struct kg_dense_tensor kg_dense_tensor_of(const struct kg_dense_dims *dims, uint32_t i);

/* dense_memory.c: the arrays; needs settings, text, dims, and the numbers of chunks, memories and blocks */
void kg_dense_carve_parts(struct kg_dense *trainer, struct kg_arena *arena);

/* dense_draws.c: of this step */
void kg_dense_choose(struct kg_dense *trainer);
uint32_t kg_dense_eval_count(const struct kg_dense_text *text, uint32_t n_ctx);
uint32_t kg_dense_eval_start(const struct kg_dense_text *text, uint32_t n_ctx, uint32_t i);

#endif
