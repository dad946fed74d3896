/* CRC-32 by carry-less multiplication. Bytes are a polynomial over GF(2), and so many bytes before the end stand for
 * as many powers of x. A block of 128 bits is moved D bits forwards when it is multiplied by x^D modulo the CRC's
 * polynomial: each half by a constant of 33 bits, with a product of 97 bits. Four blocks are moved at a time, because a
 * multiplication takes some cycles and another can begin in each. See Intel's "Fast CRC Computation for Generic
 * Polynomials Using PCLMULQDQ Instruction". */
#include "kgpt/crc32.h"

#include <immintrin.h>

/* x^(D + 32) and x^(D - 32) modulo the polynomial, with reflected bits, shifted by one: a product of reflected
 * polynomials is one bit short. */
#define BY_512_HIGH 0x154442bd4
#define BY_512_LOW 0x1c6e41596
#define BY_128_HIGH 0x1751997d0
#define BY_128_LOW 0x0ccaa009e

/* `block` moved forwards by the distance of the constants, plus `next`. The low half of a block comes first. */
static inline __m128i fold_block(__m128i block, __m128i constants, __m128i next)
{
    __m128i low = _mm_clmulepi64_si128(block, constants, 0x00), high = _mm_clmulepi64_si128(block, constants, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

static inline __m128i load_block(const uint8_t *bytes)
{
    return _mm_loadu_si128((const __m128i *)bytes);
}

size_t kg_crc32_fold_clmul(uint32_t crc, const uint8_t *bytes, size_t n, uint8_t rest[16])
{
    const __m128i by_512 = _mm_set_epi64x(BY_512_LOW, BY_512_HIGH), by_128 = _mm_set_epi64x(BY_128_LOW, BY_128_HIGH);
    __m128i a = _mm_xor_si128(load_block(bytes), _mm_cvtsi32_si128((int)crc));
    __m128i b = load_block(bytes + 16), c = load_block(bytes + 32), d = load_block(bytes + 48);
    size_t at = 64;
    for (; n - at >= 64; at += 64) {
        a = fold_block(a, by_512, load_block(bytes + at));
        b = fold_block(b, by_512, load_block(bytes + at + 16));
        c = fold_block(c, by_512, load_block(bytes + at + 32));
        d = fold_block(d, by_512, load_block(bytes + at + 48));
    }
    b = fold_block(a, by_128, b);
    c = fold_block(b, by_128, c);
    d = fold_block(c, by_128, d);
    _mm_storeu_si128((__m128i *)rest, d);
    return at;
}
