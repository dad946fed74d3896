/* The values of 4-bit codes: types whose values are not evenly spaced keep the index of a value.
 *
 * IQ4_NL and IQ4_XS share one table. MXFP4's values are those of E2M1 (0, 0.5, 1, 1.5, 2, 3, 4, 6, with a sign), twice
 * as large, so that they are integers; kg_e8m0_value halves the scale in return. */
#ifndef KGPT_OPS_QUANT_CODEBOOK_H
#define KGPT_OPS_QUANT_CODEBOOK_H

#include "ops/quant/half.h"

#define KG_IQ4_VALUES -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113
#define KG_MXFP4_VALUES 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12

#define KG_MXFP4_OFFSET 12 /* added, a value has no sign */
#define KG_MXFP4_UNSIGNED(value) ((value) + KG_MXFP4_OFFSET)

/* f(value) for each of 16 values. */
#define KG_MAP16(f, ...) KG_MAP16_(f, __VA_ARGS__)
#define KG_MAP16_(f, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q) \
    f(a), f(b), f(c), f(d), f(e), f(g), f(h), f(i), f(j), f(k), f(l), f(m), f(n), f(o), f(p), f(q)

/* Half of the scale 2^(exponent - 127). The two smallest results are subnormal. */
static inline float kg_e8m0_value(uint8_t exponent)
{
    return kg_float_of(exponent < 2 ? 0x00200000u << exponent : (uint32_t)(exponent - 1) << 23);
}

#endif
