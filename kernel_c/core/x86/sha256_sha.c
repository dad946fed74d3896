/* SHA-256 with the SHA extensions: sha256rnds2 does two rounds on the state, which is held as ABEF and CDGH;
 * sha256msg1 and sha256msg2 compute the schedule. See the Intel 64 and IA-32 Architectures Software Developer's
 * Manual, volume 2, "SHA256RNDS2". */
#include "kgpt/sha256.h"

#include <immintrin.h>

/* The next four words of the schedule after the sixteen in w[0] to w[3]. */
static inline __m128i next_words(const __m128i w[4])
{
    __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[0], w[1]), _mm_alignr_epi8(w[3], w[2], 4));
    return _mm_sha256msg2_epu32(sum, w[3]);
}

static inline void four_rounds(__m128i *abef, __m128i *cdgh, __m128i w, const uint32_t *k)
{
    __m128i wk = _mm_add_epi32(w, _mm_load_si128((const __m128i *)k));
    *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, wk);
    *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32(wk, 0x0E));
}

static inline __m128i load_words(const uint8_t *bytes)
{
    const __m128i reversed = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)bytes), reversed);
}

void kg_sha256_blocks_sha(uint32_t state[8], const uint8_t *bytes, size_t n)
{
    __m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xB1);        /* CDAB */
    __m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1B); /* EFGH */
    __m128i abef = _mm_alignr_epi8(low, high, 8), cdgh = _mm_blend_epi16(high, low, 0xF0);
    for (; n; n--, bytes += 64) {
        __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w[4] = {load_words(bytes), load_words(bytes + 16), load_words(bytes + 32), load_words(bytes + 48)};
        for (int i = 0; i < 64; i += 4) {
            four_rounds(&abef, &cdgh, w[0], kg_sha256_constants + i);
            __m128i next = next_words(w);
            w[0] = w[1], w[1] = w[2], w[2] = w[3], w[3] = next;
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    low = _mm_shuffle_epi32(abef, 0x1B);  /* FEBA */
    high = _mm_shuffle_epi32(cdgh, 0xB1); /* DCHG */
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(low, high, 0xF0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(high, low, 8));
}
