/* RoPE: pairs of values of a head are rotated by an angle that grows with the position. Angles are computed in double
 * at every position, so the last one is as exact as the first. */
#ifndef KGPT_INFER_ROPE_H
#define KGPT_INFER_ROPE_H

#include "lm_model.h"

#define KG_LM_N_TURNS 2 /* one for all layers, or one for those without a window and one for those with */

struct kg_lm_rope {
    double *frequencies[KG_LM_N_TURNS]; /* (pairs), radians per position */
    double magnitude[KG_LM_N_TURNS];    /* of the turned values: YaRN and LongRoPE make them larger */
    float *turns[KG_LM_N_TURNS];        /* (n_batch, 2, pairs): cosines, then sines, of the batch's positions */
    uint32_t pairs;
    bool neox;
};

/* The arena counts, or has room for it. */
void kg_lm_rope_carve(struct kg_lm_rope *rope, const struct kg_lm_model *model, uint32_t n_batch,
                      struct kg_arena *arena);

/* The frequencies for a context of n_ctx positions. */
void kg_lm_rope_fill(struct kg_lm_rope *rope, const struct kg_lm_model *model, uint32_t n_ctx);

/* turns (2, pairs) for `position`, which may be negative: backwards. Magnitude 1 leaves lengths as they are. */
void kg_lm_rope_turn(const struct kg_lm_rope *rope, uint32_t which, int64_t position, double magnitude, float *turns);

/* Rotates one head. */
void kg_lm_rope_apply(const struct kg_lm_rope *rope, const float *turns, float *head);

/* Which of the turns is a layer's? */
static inline uint32_t kg_lm_rope_of(const struct kg_lm_model *model, const struct kg_lm_layer *layer)
{
    return layer->window && model->extra->rope.local_base > 0;
}

#endif
