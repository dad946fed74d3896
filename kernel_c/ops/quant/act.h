/* Activations in 8 bits, as kg_quant_ops.act leaves them.
 *
 * The scale d is the greatest magnitude / 127, and q the nearest integer to x * (127 / the greatest magnitude), of two equally
 * near ones the even one. A block whose magnitudes are all below KG_ACT_LEAST is all zeros. */
#ifndef KGPT_OPS_QUANT_ACT_H
#define KGPT_OPS_QUANT_ACT_H

#include <stdint.h>

#define KG_ACT_LEAST 0x1p-100f /* 127 / it is far from infinite */

/* KG_ACT_Q8 */
struct kg_act_q8 {
    float d;
    float s;     /* d * sum: what a minimum of the weights is multiplied with */
    int32_t sum; /* of q */
    int32_t unused;
    int8_t q[32];
};

/* KG_ACT_Q8K */
struct kg_act_q8k {
    float d;
    int32_t unused[3];
    int16_t sums[16]; /* of q, 16 at a time */
    int8_t q[256];
};

#endif
