/* Internals of the fast trainer: the layout in memory, and the functions that are compiled once per ISA.
 *
 * Lanes. A vector in memory has KG_FAST_LANES floats on every ISA. Lanes are combined only within groups of four (one
 * head's share of a vector), so wider and narrower registers give the same bits. A matrix has one of two layouts, named
 * after what is contiguous:
 *   columns: (features, stride), a feature's values of all rows side by side: norms, relu, softmax, residual stream
 *   rows:    (rows, features padded to KG_FAST_LANES): attention, and what gradients of weights are summed over
 *
 * Heads. A vector of q, k or v holds 4 elements of each of 4 heads; element e of head h is in vector
 * (h / 4) * parts + e / 4 at lane (h % 4) * 4 + e % 4. The padding is 0 and stays 0. */
#ifndef KGPT_TRAIN_FAST_INTERNAL_H
#define KGPT_TRAIN_FAST_INTERNAL_H

#include <stdbool.h>

#include "kgpt/train_fast.h"

#define KG_FAST_LANES 16u
#define KG_FAST_HEADS 4u  /* a vector */
#define KG_FAST_CHUNK 16u /* documents of a chunk, unless settings say otherwise */

/* Sizes in floats. Every width and every offset is a multiple of KG_FAST_LANES. */
struct kg_fast_dims {
    uint32_t n_vocab, n_ctx, n_embd, n_layer, n_head, n_ff;
    uint32_t width;        /* n_embd, padded */
    uint32_t parts;        /* vectors of a group of four heads: head_dim / 4, rounded up */
    uint32_t groups;       /* of four heads */
    uint32_t attention;    /* width of q, of k, and of v */
    uint32_t score_blocks; /* vectors of one row's scores in one group: four positions each */
    float score_scale;     /* 1 / sqrt(head_dim) */
    /* Offsets of the matrices in the parameters: wte (n_vocab, width), wpe (n_ctx, width), lm_head (n_vocab, width);
     * of a layer: wqkv (n_embd, 3 * attention), wo (n_embd, attention), fc1 (n_ff, width), fc2 transposed (n_ff,
     * width) */
    size_t wte, wpe, lm_head, layers, layer_size, wqkv, wo, fc1, fc2, n_floats;
};

/* The documents of a chunk as a prefix tree: one row for each distinct prefix. Parents come before their children. */
struct kg_fast_rows {
    uint32_t n;
    uint32_t padded; /* n, up to a multiple of KG_FAST_LANES */
    uint32_t
        stride; /* of matrices in columns: an odd number of cache lines, so that no two features share a cache set */
    uint32_t *token, *pos;
    const uint32_t **path; /* of each row: the rows of its positions 0 .. pos, itself included */
    uint32_t *paths;       /* (documents, n_ctx): those paths; a row's is in that of the first document that has it */
    uint32_t n_documents;
    uint32_t *child, *sibling; /* first child, next sibling; 0: none (row 0 is nobody's child) */
    float *weight;             /* (stride): how much a row's probabilities count in the loss */
    uint32_t n_targets;        /* one for every position of every document */
    uint32_t *target_row, *target;
    float *target_weight;
};

/* The activations of a layer that the backward pass needs. */
struct kg_fast_layer {
    float *normed1, *scale1; /* columns (n_embd), (1): input of the attention, and what rmsnorm multiplied by */
    float *qkv;              /* rows (3 * attention) */
    float *scores;           /* rows (groups * score_blocks * LANES): probabilities, lane 4 h + j: head h, position j */
    float *attended;         /* rows (attention) */
    float *normed2, *scale2; /* of the mlp */
    float *hidden;           /* columns (n_ff), after relu */
};

/* The memory that one CPU works in. It shares no cache line with another chunk. */
struct kg_fast_chunk {
    uint64_t taken; /* steps_done + 1 of the last step in which a CPU took it */
    struct kg_fast_rows rows;
    struct kg_fast_layer *layers;
    float *embedded, *embedded_scale; /* columns (n_embd), (1): rmsnorm of wte + wpe */
    float *x, *x_next;                /* columns (n_embd): the residual stream */
    float *logits;                    /* columns (n_vocab), then their derivatives */
    float *log_sum;                   /* columns (1): log of the sum of exp(logit) */
    float *d_x, *d_normed;            /* columns (n_embd) */
    float *d_hidden;                  /* columns (n_ff) */
    float *qkv_columns;               /* columns (3 * attention) */
    float *d_qkv, *d_attended;        /* rows (3 * attention), (attention) */
    float *d_scores;                  /* (score_blocks * LANES): of one row in one group */
    float *rows_embd;                 /* rows (width): a matrix in columns, turned */
    float *gradients;                 /* (n_floats), in the order of the parameters; NULL: only for kg_fast_eval */
    double loss;
} __attribute__((aligned(KG_ARENA_ALIGN)));

struct kg_fast_pass {
    const struct kg_fast_dims *dims;
    const float *weights;
    struct kg_fast_chunk *chunk;
};

/* One step of Adam with what depends on the step worked out. */
struct kg_fast_rates {
    float beta1, keep1, beta2, keep2; /* keep: 1 - beta */
    float rate;                       /* lr_t / (1 - beta1^t) */
    float correction2;                /* 1 / (1 - beta2^t) */
    float eps, decay;                 /* decay: 1 - lr_t * weight_decay */
};

struct kg_fast_slice {
    float *weights, *mean, *square;
    struct kg_fast_chunk *chunks;
    uint32_t n_chunks;
    size_t from, to; /* floats; multiples of KG_FAST_LANES */
};

struct kg_fast_functions {
    enum kg_isa isa;
    void (*forward)(const struct kg_fast_pass *pass);  /* chunk->rows to chunk->loss */
    void (*backward)(const struct kg_fast_pass *pass); /* after forward: to chunk->gradients */
    void (*update)(const struct kg_fast_slice *slice, const struct kg_fast_rates *rates);
};

extern const struct kg_fast_functions kg_fast_functions_c;

struct kg_fast {
    struct kg_fast_settings settings;
    struct kg_fast_dims dims;
    const struct kg_fast_functions *functions;
    const struct kg_corpus *corpus;
    uint32_t *order;      /* (n_documents): the documents in the order of this epoch */
    uint64_t order_epoch; /* that `order` is of */
    uint32_t *batch;      /* (settings.batch): documents of this step */
    uint64_t steps_done;
    float *weights, *mean, *square; /* (dims.n_floats) */
    uint32_t n_chunks;
    uint32_t n_memories; /* chunks, and those that are only for kg_fast_eval */
    struct kg_fast_chunk *chunks;
};

struct kg_fast_dims kg_fast_dims_of(const struct kg_shape *shape);

/* fast_batch.c */
void kg_fast_choose(struct kg_fast *trainer);
void kg_fast_rows_begin(struct kg_fast_rows *rows);
void kg_fast_rows_add(struct kg_fast_rows *rows, const struct kg_corpus *corpus, uint32_t document, uint32_t n_ctx,
                      float weight);
void kg_fast_rows_end(struct kg_fast_rows *rows);

/* fast_memory.c: the arrays; needs settings, dims, corpus, n_chunks and n_memories */
void kg_fast_carve_parts(struct kg_fast *trainer, struct kg_arena *arena);

#endif
