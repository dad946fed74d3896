/* VPDPBUSD in 256-bit vectors. */
#ifndef KGPT_OPS_QUANT_DOT_BYTES_H
#define KGPT_OPS_QUANT_DOT_BYTES_H

#include "ops/quant/avx2/avx2.h"

#ifdef KG_EVEX
#define KG_VPDPBUSD "vpdpbusd %2, %1, %0"
#else
#define KG_VPDPBUSD "%{vex%} vpdpbusd %2, %1, %0"
#endif

/* Adds to each 32-bit lane four products of unsigned with signed bytes. Compilers disagree about the builtin. */
KG_INLINE i32x8 dot_bytes(i32x8 sum, b8x32 without_sign, b8x32 with_sign)
{
    __asm__(KG_VPDPBUSD : "+x"(sum) : "x"(without_sign), "x"(with_sign));
    return sum;
}

#endif
