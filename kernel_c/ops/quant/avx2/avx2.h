/* 256-bit vectors for quantized rows, by compiler extensions: an intrinsics header would include the C library's
 * headers.
 *
 * Eight rows are computed together. A block's payload is loaded into two vectors, for rows 0-3 and rows 4-7, with 64
 * bits for each row. fold() reduces their sums to one 32-bit lane for each row, in the order 0, 1, 4, 5, 2, 3, 6, 7,
 * which avoids crossing the 128-bit halves of a register. Scales are loaded in the same order; sums are stored in
 * the order of the rows. */
#ifndef KGPT_OPS_QUANT_AVX2_H
#define KGPT_OPS_QUANT_AVX2_H

#include <stdint.h>

#include "kgpt/quant.h"
#include "ops/quant/inline.h"

typedef char b8x32 __attribute__((vector_size(32)));
typedef short i16x16 __attribute__((vector_size(32)));
typedef unsigned short u16x16 __attribute__((vector_size(32)));
typedef int i32x8 __attribute__((vector_size(32)));
typedef unsigned u32x8 __attribute__((vector_size(32)));
typedef long long i64x4 __attribute__((vector_size(32)));
typedef float f32x8 __attribute__((vector_size(32)));
typedef int i32x4 __attribute__((vector_size(16)));
typedef unsigned char u8x8 __attribute__((vector_size(8)));
typedef u8x8 u8x8_at __attribute__((aligned(1), may_alias));
typedef b8x32 b8x32_at __attribute__((aligned(1), may_alias));
typedef i32x4 i32x4_at __attribute__((aligned(1), may_alias));
typedef i32x8 i32x8_at __attribute__((aligned(4), may_alias));
typedef f32x8 f32x8_at __attribute__((aligned(4), may_alias));
typedef int i32_at __attribute__((aligned(1), may_alias));
typedef long long i64_at __attribute__((aligned(1), may_alias));

KG_INLINE b8x32 load(const void *p)
{
    return *(const b8x32_at *)p;
}

/* The same 16 bytes in both halves. */
KG_INLINE b8x32 twice(const void *p)
{
    const i32x4 v = *(const i32x4_at *)p;
    return (b8x32)__builtin_shufflevector(v, v, 0, 1, 2, 3, 0, 1, 2, 3);
}

KG_INLINE b8x32 bytes_of(uint8_t value)
{
    const char v = (char)value;
    return (b8x32){v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v};
}

KG_INLINE i32x8 words_of(int32_t v)
{
    return (i32x8){v, v, v, v, v, v, v, v};
}

KG_INLINE f32x8 floats_of(float v)
{
    return (f32x8){v, v, v, v, v, v, v, v};
}

/* The same 8 bytes for each row. */
KG_INLINE b8x32 eight_bytes(const void *p)
{
    long long v = *(const i64_at *)p;
    return (b8x32)(i64x4){v, v, v, v};
}

/* The same 4 bytes for each row. */
KG_INLINE b8x32 four_bytes(const void *p)
{
    return (b8x32)words_of(*(const i32_at *)p);
}

/* Bits from the neighbouring byte remain: the caller masks them. */
KG_INLINE b8x32 shift_right(b8x32 v, int n)
{
    return (b8x32)((u16x16)v >> (unsigned short)n);
}

KG_INLINE b8x32 shift_left(b8x32 v, int n)
{
    return (b8x32)((u16x16)v << (unsigned short)n);
}

/* Unsigned bytes times signed bytes, adjacent products added, saturated to 16 bits. */
KG_INLINE i16x16 multiply_bytes(b8x32 without_sign, b8x32 with_sign)
{
    return (i16x16)__builtin_ia32_pmaddubsw256(without_sign, with_sign);
}

/* Signed bytes, not -128 in x. The instruction needs one operand without sign, so the signs of v move to x. Adjacent
 * products are added: 2 * 128 * 127 fits into 16 bits. */
KG_INLINE i16x16 multiply_signed(b8x32 v, b8x32 x)
{
    return multiply_bytes((b8x32)__builtin_ia32_psignb256(v, v), (b8x32)__builtin_ia32_psignb256(x, v));
}

KG_INLINE i32x8 multiply_pairs(i16x16 a, i16x16 b)
{
    return (i32x8)__builtin_ia32_pmaddwd256(a, b);
}

KG_INLINE i32x8 add_pairs(i16x16 a)
{
    const i16x16 ones = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    return multiply_pairs(a, ones);
}

KG_INLINE b8x32 pick_bytes(b8x32 v, b8x32 from)
{
    return (b8x32)__builtin_ia32_pshufb256(v, from);
}

/* Reduces two 32-bit sums for each row to one. */
KG_INLINE i32x8 fold(i32x8 rows_0_3, i32x8 rows_4_7)
{
    return __builtin_shufflevector(rows_0_3, rows_4_7, 0, 2, 8, 10, 4, 6, 12, 14) +
           __builtin_shufflevector(rows_0_3, rows_4_7, 1, 3, 9, 11, 5, 7, 13, 15);
}

/* Not every compiler has this conversion as a builtin. */
KG_INLINE f32x8 floats_of_halves(i32x4 halves)
{
    f32x8 floats;
    __asm__("vcvtph2ps %1, %0" : "=x"(floats) : "x"(halves));
    return floats;
}

/* Eight halves as floats, in fold()'s order. */
KG_INLINE f32x8 load_halves(const void *p)
{
    i32x4 v = *(const i32x4_at *)p;
    v = __builtin_shufflevector(v, v, 0, 2, 1, 3);
    return floats_of_halves(v);
}

/* Stores eight sums, from fold()'s order in the order of the rows. */
KG_INLINE void store_rows(float *y, f32x8 v)
{
    i64x4 pairs = (i64x4)v;
    *(f32x8_at *)y = (f32x8)__builtin_shufflevector(pairs, pairs, 0, 2, 1, 3);
}

KG_INLINE f32x8 to_floats(i32x8 v)
{
    return __builtin_convertvector(v, f32x8);
}

KG_INLINE i32x8 greater(i32x8 a, i32x8 b)
{
    return (i32x8)((a > b) & a) | (~(a > b) & b);
}

/* The largest magnitude of n values. The bits of non-negative floats compare like the floats. */
KG_INLINE float greatest(const float *x, uint32_t n)
{
    i32x8 most = words_of(0);
    for (uint32_t i = 0; i < n; i += 8) {
        most = greater(most, *(const i32x8_at *)(x + i) & words_of(0x7fffffff));
    }
    most = greater(most, __builtin_shufflevector(most, most, 4, 5, 6, 7, 0, 1, 2, 3));
    most = greater(most, __builtin_shufflevector(most, most, 2, 3, 0, 1, 6, 7, 4, 5));
    most = greater(most, __builtin_shufflevector(most, most, 1, 0, 3, 2, 5, 4, 7, 6));
    return ((f32x8)most)[0];
}

#endif
