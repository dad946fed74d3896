/* Activations in 8 bits, as kg_quant_ops.act leaves them.
 *
 * The scale d is the greatest magnitude / 127, and q the nearest integer to x * (127 / the greatest magnitude), of two equally
 * near ones the even one. A block whose magnitudes are all below KG_ACT_LEAST is all zeros. */
#ifndef KGPT_OPS_QUANT_ACT_H
#define KGPT_OPS_QUANT_ACT_H

#include <stdint.h>

#define KG_ACT_LEAST 0x1p-60f /* no product of a scale that remains with a half and its block's integers is subnormal */

/* KG_ACT_Q8 */
struct kg_act_q8 {
    float d;
    float s;     /* sum, as a float */
    int32_t sum; /* of q */
    float low;   /* d * 2^-24 */
    int8_t q[32];
};

/* KG_ACT_Q8K */
struct kg_act_q8k {
    float d;
    int32_t unused[3];
    int16_t sums[16]; /* of q, 16 at a time */
    int8_t q[256];
};

/* Only for the versions without vectors (swar.h), behind the blocks: of every 8 values the even ones, and the odd ones. */
static inline uint64_t kg_act_q8_packed_at(uint32_t columns)
{
    return ((uint64_t)columns / 32 * sizeof(struct kg_act_q8) + 63) / 64 * 64;
}

static inline uint64_t kg_act_q8k_packed_at(uint32_t columns)
{
    return ((uint64_t)columns / 256 * sizeof(struct kg_act_q8k) + 63) / 64 * 64;
}

#endif
