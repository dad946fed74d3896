/* What attention works in: scores, and for each worker the queries, outputs, keys and values of a tile. */
#ifndef KGPT_INFER_ATTENTION_H
#define KGPT_INFER_ATTENTION_H

#include "lm_model.h"

#define KG_LM_MOST_ATTENDING 64u /* workers that can attend at the same time; more than these wait */
#define KG_LM_WORK_ROWS 96u      /* floats of `width` that each of them works in */

struct kg_lm_attention {
    float *scores;  /* (rows, stride): of queries, by position */
    size_t stride;  /* n_ctx, and a cache line: rows must not start in the same set of a cache */
    float *largest; /* (rows, slots): of the part of a row that a worker has computed */
    float *work;    /* (slots, KG_LM_WORK_ROWS, width) */
    uint32_t rows;  /* at least n_head */
    uint32_t slots; /* workers that can attend at the same time */
    uint32_t width; /* head_dim, rounded up to KG_LANES */
};

/* The arena counts, or has room for it. */
void kg_lm_attention_carve(struct kg_lm_attention *attention, const struct kg_lm_model *model,
                           const struct kg_lm_options *options, struct kg_arena *arena);

#endif
