/* Vectors of floats by compiler extensions. An intrinsics header would include the C library's headers. */
#ifndef KGPT_OPS_VECTOR_H
#define KGPT_OPS_VECTOR_H

typedef float kg_f32x4 __attribute__((vector_size(16)));
typedef float kg_f32x8 __attribute__((vector_size(32)));
typedef float kg_f32x16 __attribute__((vector_size(64)));

/* The same types in memory, at the alignment of a float. */
typedef float kg_f32x4_at __attribute__((vector_size(16), aligned(4), may_alias));
typedef float kg_f32x8_at __attribute__((vector_size(32), aligned(4), may_alias));
typedef float kg_f32x16_at __attribute__((vector_size(64), aligned(4), may_alias));

/* The last two steps of the reduction tree for four rows. Element r of the result is the sum of row r's four partial
 * sums, (0 + 2) + (1 + 3) as the definition requires. */
static inline kg_f32x4 kg_reduce_4_rows(kg_f32x4 a, kg_f32x4 b, kg_f32x4 c, kg_f32x4 d)
{
    kg_f32x4 ab = __builtin_shufflevector(a, b, 0, 1, 4, 5) + __builtin_shufflevector(a, b, 2, 3, 6, 7);
    kg_f32x4 cd = __builtin_shufflevector(c, d, 0, 1, 4, 5) + __builtin_shufflevector(c, d, 2, 3, 6, 7);
    return __builtin_shufflevector(ab, cd, 0, 2, 4, 6) + __builtin_shufflevector(ab, cd, 1, 3, 5, 7);
}

#endif
