/* Conversion between IEEE half precision and f32. */
#ifndef KGPT_OPS_QUANT_HALF_H
#define KGPT_OPS_QUANT_HALF_H

#include <stdint.h>

static inline float kg_float_of(uint32_t bits)
{
    float value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t kg_bits_of(float value)
{
    uint32_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline uint16_t kg_load16(const uint8_t *p)
{
    uint16_t value;
    __builtin_memcpy(&value, p, sizeof value);
    return value;
}

/* A NaN becomes quiet, as with the instruction VCVTPH2PS. */
static inline float kg_half_value(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3ff;
    if (exponent == 0) {
        return kg_float_of(sign | kg_bits_of((float)fraction * 0x1p-24f));
    }
    if (exponent == 31) {
        return kg_float_of(sign | 0x7f800000 | fraction << 13 | (fraction ? 0x400000 : 0));
    }
    return kg_float_of(sign | (exponent + 112) << 23 | fraction << 13);
}

#endif
