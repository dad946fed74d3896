/* 512-bit vectors for quantized rows, by compiler extensions and inline assembly: an intrinsics header would include
 * the C library's headers, and compilers disagree about the builtins.
 *
 * A vector with 64 bits for each row holds eight columns of a group. Of two such vectors, for two groups or for two
 * blocks of one group, even() takes the first 32 bits of each row, and odd() the other ones. In each 128-bit part, two
 * lanes are rows of the first vector and two lanes those of the second one: no lane leaves its part of the register.
 * Scales are loaded in the same order; sums are stored in the order of the rows. */
#ifndef KGPT_OPS_QUANT_AVX512_H
#define KGPT_OPS_QUANT_AVX512_H

#include <stdint.h>

#include "kgpt/quant.h"
#include "ops/quant/inline.h"

#define LEAST_AHEAD 12288 /* bytes */

typedef char b8x64 __attribute__((vector_size(64)));
typedef short i16x32 __attribute__((vector_size(64)));
typedef unsigned short u16x32 __attribute__((vector_size(64)));
typedef int i32x16 __attribute__((vector_size(64)));
typedef unsigned u32x16 __attribute__((vector_size(64)));
typedef long long i64x8 __attribute__((vector_size(64)));
typedef float f32x16 __attribute__((vector_size(64)));
typedef int i32x8 __attribute__((vector_size(32)));
typedef float f32x8 __attribute__((vector_size(32)));
typedef int i32x4 __attribute__((vector_size(16)));
typedef unsigned char u8x16 __attribute__((vector_size(16)));
typedef long long i64x2 __attribute__((vector_size(16)));
typedef b8x64 b8x64_at __attribute__((aligned(1), may_alias));
typedef f32x16 f32x16_at __attribute__((aligned(4), may_alias));
typedef f32x8 f32x8_at __attribute__((aligned(4), may_alias));
typedef i32x8 i32x8_at __attribute__((aligned(1), may_alias));
typedef i32x4 i32x4_at __attribute__((aligned(1), may_alias));
typedef long long i64_at __attribute__((aligned(1), may_alias));
typedef int i32_at __attribute__((aligned(1), may_alias));

KG_INLINE b8x64 load(const void *p)
{
    return *(const b8x64_at *)p;
}

/* Asks for `bytes` bytes, a constant, in the L2 cache. The address may lie beyond the matrix: nothing faults. */
KG_INLINE void prefetch(const uint8_t *p, const uint32_t bytes)
{
    KG_UNROLL
    for (uint32_t i = 0; i < bytes; i += 64) {
        __builtin_prefetch(p + i, 0, 2);
    }
}

/* What two groups of `bytes` bytes, which begin at `p`, prefetch: the two groups behind them, or what lies at least
 * LEAST_AHEAD bytes ahead, since memory takes its time to answer. */
KG_INLINE const uint8_t *ahead_of(const uint8_t *p, size_t bytes)
{
    return p + (bytes > LEAST_AHEAD ? bytes : LEAST_AHEAD);
}

KG_INLINE i32x16 words_of(int32_t v)
{
    return (i32x16){v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v};
}

KG_INLINE b8x64 bytes_of(uint8_t value)
{
    return (b8x64)words_of((int32_t)(0x01010101u * value));
}

KG_INLINE f32x16 floats_of(float v)
{
    return (f32x16){v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v};
}

/* In each 128-bit part two times `low`, then two times `high`. */
KG_INLINE f32x16 two_words(const void *low, const void *high)
{
    const unsigned short second = 0xcccc;
    f32x16 v = (f32x16)words_of(*(const i32_at *)low);
    __asm__("vbroadcastss %1, %0%{%2%}" : "+v"(v) : "m"(*(const i32_at *)high), "Yk"(second));
    return v;
}

/* Exchanges the two pairs of lanes of each 128-bit part. */
KG_INLINE f32x16 swap_pairs(f32x16 v)
{
    return __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
}

/* The same 8 bytes for each row. */
KG_INLINE b8x64 eight_bytes(const void *p)
{
    const long long v = *(const i64_at *)p;
    return (b8x64)(i64x8){v, v, v, v, v, v, v, v};
}

/* The same 16 bytes in each part of 128 bits. */
KG_INLINE b8x64 four_times(const void *p)
{
    const i32x4 v = *(const i32x4_at *)p;
    return (b8x64)__builtin_shufflevector(v, v, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
}

/* Bits from the neighbouring byte remain: the caller masks them. */
KG_INLINE b8x64 shift_right(b8x64 v, int n)
{
    return (b8x64)((u16x32)v >> (unsigned short)n);
}

KG_INLINE i32x16 even(i32x16 low, i32x16 high)
{
    return __builtin_shufflevector(low, high, 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30);
}

KG_INLINE i32x16 odd(i32x16 low, i32x16 high)
{
    return __builtin_shufflevector(low, high, 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31);
}

KG_INLINE b8x64 pick_bytes(b8x64 v, b8x64 from)
{
    b8x64 picked;
    __asm__("vpshufb %2, %1, %0" : "=v"(picked) : "v"(v), "v"(from));
    return picked;
}

/* Adds `amount` to the bytes in which `tested` has one of the bits. */
KG_INLINE b8x64 add_where(b8x64 v, b8x64 tested, b8x64 bits, b8x64 amount)
{
    unsigned long long bytes;
    __asm__("vptestmb %2, %1, %0" : "=Yk"(bytes) : "v"(tested), "v"(bits));
    __asm__("vpaddb %1, %0, %0%{%2%}" : "+v"(v) : "v"(amount), "Yk"(bytes));
    return v;
}

/* Two times eight halves as floats, in the order of even(). */
KG_INLINE f32x16 load_halves(const void *low, const void *high)
{
    const i32x4 a = *(const i32x4_at *)low, b = *(const i32x4_at *)high;
    const i32x8 halves = __builtin_shufflevector(a, b, 0, 4, 1, 5, 2, 6, 3, 7);
    f32x16 floats;
    __asm__("vcvtph2ps %1, %0" : "=v"(floats) : "v"(halves));
    return floats;
}

/* Stores sixteen sums in the order of the rows. */
KG_INLINE void store_rows(float *y, f32x16 v)
{
    *(f32x16_at *)y = __builtin_shufflevector(v, v, 0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
}

/* Stores the eight sums of the first group. */
KG_INLINE void store_group(float *y, f32x16 v)
{
    *(f32x8_at *)y = __builtin_shufflevector(v, v, 0, 1, 4, 5, 8, 9, 12, 13);
}

KG_INLINE f32x16 to_floats(i32x16 v)
{
    return __builtin_convertvector(v, f32x16);
}

#endif
