/* SWAR products: several small numbers in one 64-bit word are multiplied at once. For processors without AVX2, and
 * for emulators, where an integer multiplication is one instruction, but a vector or float operation is a helper
 * call.
 *
 * Four weights are in 16-bit fields, w0 + w1 2^16 + w2 2^32 + w3 2^48, and four activations in reverse order, a3 +
 * a2 2^16 + a1 2^32 + a0 2^48. The top field of the product is w0 a0 + w1 a1 + w2 a2 + w3 a3. Activations and fields
 * are signed. If each field is between -2^15 and 2^15, the bits below the top field are between -2^47 and 2^47. Then
 * adding 2^47 and shifting gives the top field exactly. */
#ifndef KGPT_OPS_QUANT_SWAR_H
#define KGPT_OPS_QUANT_SWAR_H

#include <stdint.h>

#include "kgpt/quant.h"
#include "ops/quant/inline.h"

/* For the functions with the loops over blocks: each has at most 4,096 bytes and lies within one page. QEMU's TCG links
 * translated blocks only within a guest page, and never one with an instruction that reaches into the next page: each
 * run of such a block costs a search. docs/inference.md has the figures; tests/hosted/test_hot_pages.py looks at the
 * linked kernel. */
#define KG_ONE_PAGE __attribute__((aligned(4096)))

/* For what such a function calls seldom: it takes room elsewhere. */
#define KG_ELSEWHERE __attribute__((noinline, cold))

#define KG_NIBBLES 0x000f000f000f000fu /* the low nibble of each 16-bit field */
#define KG_HALF 0x0000800000000000u    /* rounds the top field */

/* Nonzero if one of four halves is zero, subnormal, infinite or NaN. */
KG_INLINE uint64_t kg_unusual_halves(uint64_t halves)
{
    const uint64_t top = 0x8000800080008000u, one = 0x0400040004000400u;
    uint64_t exponents = halves & 0x7c007c007c007c00u;
    return ((exponents + one) | ~((exponents | top) - one)) & top;
}

KG_INLINE uint64_t kg_load64(const uint8_t *p)
{
    uint64_t value;
    __builtin_memcpy(&value, p, sizeof value);
    return value;
}

/* Packs the activations for four weights. */
KG_INLINE uint64_t kg_pack(int64_t first, int64_t second, int64_t third, int64_t fourth)
{
    return (uint64_t)fourth + ((uint64_t)third << 16) + ((uint64_t)second << 32) + ((uint64_t)first << 48);
}

KG_INLINE void kg_pack_eight(uint64_t to[2], const int8_t *q)
{
    to[0] = kg_pack(q[0], q[2], q[4], q[6]);
    to[1] = kg_pack(q[1], q[3], q[5], q[7]);
}

KG_INLINE int64_t kg_topmost(uint64_t sum)
{
    return (int64_t)(sum + KG_HALF) >> 48;
}

typedef float f32x4 __attribute__((vector_size(16)));

/* A number that is parked in a vector register. Under TCG a load or store takes about ten instructions of the host,
 * because each looks up its page, but a move between general and vector registers takes one to three. So nothing is
 * spilled to the stack. */
#ifdef __x86_64__
typedef long long kg_parked __attribute__((vector_size(16)));

KG_INLINE kg_parked kg_park(uint64_t value)
{
    kg_parked parked;
    __asm__ volatile("movq %1, %0" : "=x"(parked) : "r"(value));
    return parked;
}

KG_INLINE uint64_t kg_fetch(kg_parked parked)
{
    uint64_t value;
    __asm__ volatile("movq %1, %0" : "=r"(value) : "x"(parked));
    return value;
}

/* By moves that TCG does without a call. */
KG_INLINE f32x4 kg_four_floats(const uint32_t bits[4])
{
    kg_parked low = kg_park(bits[0] | (uint64_t)bits[1] << 32), high = kg_park(bits[2] | (uint64_t)bits[3] << 32);
    __asm__("movlhps %1, %0" : "+x"(low) : "x"(high));
    return (f32x4)low;
}
#else /* enough general registers */
typedef uint64_t kg_parked;

KG_INLINE kg_parked kg_park(uint64_t value)
{
    return value;
}

KG_INLINE uint64_t kg_fetch(kg_parked parked)
{
    return parked;
}

KG_INLINE f32x4 kg_four_floats(const uint32_t bits[4])
{
    typedef uint64_t u64x2 __attribute__((vector_size(16)));
    return (f32x4)(u64x2){bits[0] | (uint64_t)bits[1] << 32, bits[2] | (uint64_t)bits[3] << 32};
}
#endif

#endif
