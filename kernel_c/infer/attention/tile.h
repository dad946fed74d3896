/* A tile of attention: up to KG_TILE_QUERIES queries that read the same keys, which are heads of one group, of
 * successive tokens. KG_TILE_BLOCK keys are converted to floats at once for all of them; then come their weights, then
 * KG_TILE_BLOCK values at a time. Tiles do not depend on each other. */
#ifndef KGPT_INFER_ATTENTION_TILE_H
#define KGPT_INFER_ATTENTION_TILE_H

#include "infer/state.h"

#define KG_TILE_QUERIES 32u
#define KG_TILE_BLOCK 32u /* positions; a multiple of KG_LANES */
#define KG_TILE_SUM 4u    /* queries whose values are added at once */

_Static_assert(KG_LM_WORK_ROWS == 2 * KG_TILE_QUERIES + KG_TILE_BLOCK, "queries, outputs, and keys or values");

/* A worker's part of the buffers. */
struct kg_lm_desk {
    const struct kg_attention_ops *ops;
    float *scores; /* (n, stride) */
    size_t stride;
    float *queries, *out; /* (n, width) */
    float *block;         /* (KG_TILE_BLOCK, width) */
    uint32_t width;
};

struct kg_lm_tile {
    const struct kg_lm_pass *pass;
    const struct kg_lm_run *run;
    struct kg_lm_kv_row keys, values;
    uint32_t kv_head, query, n; /* of the run's queries that read this key head: the first, and how many */
    uint32_t first[KG_TILE_QUERIES], end[KG_TILE_QUERIES]; /* the positions that each one reads */
};

static inline uint32_t kg_lm_earlier_of(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t kg_lm_group_of(const struct kg_lm_model *m)
{
    return m->n_head / m->n_head_kv;
}

/* `row`: of the scores, the worker's first. */
struct kg_lm_desk kg_lm_desk_of(const struct kg_lm_pass *pass, uint32_t worker, uint32_t row);

/* Queries query .. query + n - 1 of those that read a key head in a run. */
void kg_lm_make_tile(struct kg_lm_tile *tile, const struct kg_lm_pass *pass, const struct kg_lm_run *run,
                     uint32_t kv_head, uint32_t query, uint32_t n);

/* Asks memory for the first positions that a tile reads. */
void kg_lm_read_ahead(const struct kg_lm_tile *tile);

void kg_lm_attend_tile(const struct kg_lm_tile *tile, const struct kg_lm_desk *desk);

/* The steps of kg_lm_attend_tile, for workers that share a tile: the queries into the desk; the scores of positions
 * from .. to - 1, for all queries, also those that a query does not read; from the powers of the scores their sums; and
 * from both the values first_dim .. end_dim - 1 of the outputs. */
void kg_lm_gather_queries(const struct kg_lm_tile *tile, const struct kg_lm_desk *desk);
void kg_lm_score_positions(const struct kg_lm_tile *tile, const struct kg_lm_desk *desk, uint32_t from, uint32_t to);
void kg_lm_add_up_rows(const struct kg_lm_tile *tile, const struct kg_lm_desk *desk, float *totals);
void kg_lm_add_positions(const struct kg_lm_tile *tile, const struct kg_lm_desk *desk, const float *totals,
                         uint32_t first_dim, uint32_t end_dim);

#endif
