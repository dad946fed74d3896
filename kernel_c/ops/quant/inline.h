/* Inlined functions that are specialized by constant arguments. */
#ifndef KGPT_OPS_QUANT_INLINE_H
#define KGPT_OPS_QUANT_INLINE_H

#define KG_INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define KG_UNROLL _Pragma("unroll")
#define KG_NO_UNROLL _Pragma("nounroll")
#else
#define KG_UNROLL _Pragma("GCC unroll 16")
#define KG_NO_UNROLL _Pragma("GCC unroll 1")
#endif

#endif
