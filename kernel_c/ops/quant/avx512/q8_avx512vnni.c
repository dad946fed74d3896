/* Products of types with blocks of 32 by AVX-512 VNNI. */
#include "avx512.h"

#define SUFFIX _avx512vnni

KG_INLINE i32x16 dot_eight(i32x16 sum, b8x64 value, b8x64 x)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(value), "v"(x));
    return sum;
}

KG_INLINE i32x16 dot_four(i32x16 sum, b8x64 value, const int8_t *x)
{
    __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(value), "m"(*(const i32_at *)x));
    return sum;
}

#include "q8_512.h"
