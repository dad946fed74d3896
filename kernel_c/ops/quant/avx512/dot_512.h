/* Sums of products by AVX-512 VNNI. */
#ifndef KGPT_OPS_QUANT_DOT_512_H
#define KGPT_OPS_QUANT_DOT_512_H

#include "avx512.h"

/* Adds to each 32-bit lane four products of unsigned with signed bytes. */
KG_INLINE i32x16 dot_eight(i32x16 sum, b8x64 value, b8x64 x)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(value), "v"(x));
    return sum;
}

/* The same four signed bytes for each lane. */
KG_INLINE i32x16 dot_four(i32x16 sum, b8x64 value, const int8_t *x)
{
    __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(value), "m"(*(const i32_at *)x));
    return sum;
}

/* Adds to each 32-bit lane two products of signed words. */
KG_INLINE i32x16 dot_words(i32x16 sum, i16x32 a, i16x32 b)
{
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}

#endif
