/* 8-bit activations, as kg_quant_ops.act produces them.
 *
 * The scale d is the largest magnitude / 127. q is x * (127 / the largest magnitude), rounded to nearest even. A
 * block whose magnitudes are all below KG_ACT_LEAST becomes all zeros. */
#ifndef KGPT_OPS_QUANT_ACT_H
#define KGPT_OPS_QUANT_ACT_H

#include <stdint.h>

#define KG_ACT_LEAST 0x1p-60f /* products of a larger scale with a half and a block's integers are never subnormal */

/* KG_ACT_Q8 */
struct kg_act_q8 {
    float d;
    float s;     /* `sum` as a float */
    int32_t sum; /* of q */
    float low;   /* d * 2^-24 */
    int8_t q[32];
};

/* KG_ACT_Q8K */
struct kg_act_q8k {
    float d;
    int32_t unused[3];
    int16_t sums[16]; /* sums of 16 values of q each */
    int8_t q[256];
};

/* Only for the SWAR versions (swar.h), after the blocks: of every 8 values first the even ones, then the odd ones. */
static inline uint64_t kg_act_q8_packed_at(uint32_t columns)
{
    return ((uint64_t)columns / 32 * sizeof(struct kg_act_q8) + 63) / 64 * 64;
}

static inline uint64_t kg_act_q8k_packed_at(uint32_t columns)
{
    return ((uint64_t)columns / 256 * sizeof(struct kg_act_q8k) + 63) / 64 * 64;
}

#endif
