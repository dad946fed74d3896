/* SHA-256 with the instructions for it: SHA256H and SHA256H2 do four rounds on the state, which is held as ABCD and
 * EFGH; SHA256SU0 and SHA256SU1 compute the schedule. */
#include "kgpt/sha256.h"

#include <arm_neon.h>

#define BLOCK 64

static inline void four_rounds_abcd(uint32x4_t *abcd, uint32x4_t *efgh, uint32x4_t w, const uint32_t *k)
{
    uint32x4_t wk = vaddq_u32(w, vld1q_u32(k)), before = *abcd;
    *abcd = vsha256hq_u32(*abcd, *efgh, wk);
    *efgh = vsha256h2q_u32(*efgh, before, wk);
}

static inline uint32x4_t load_words_swapped(const uint8_t *bytes)
{
    return vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(bytes)));
}

void kg_sha256_blocks_sha(uint32_t state[8], const uint8_t *bytes, size_t n)
{
    uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4);
    for (; n; n--, bytes += BLOCK) {
        const uint32x4_t abcd_before = abcd, efgh_before = efgh;
        uint32x4_t w[4] = {load_words_swapped(bytes), load_words_swapped(bytes + 16), load_words_swapped(bytes + 32),
                           load_words_swapped(bytes + 48)};
        for (int i = 0; i < 16; i++) {
            four_rounds_abcd(&abcd, &efgh, w[i % 4], kg_sha256_constants + 4 * i);
            if (i < 12) {
                w[i % 4] = vsha256su1q_u32(vsha256su0q_u32(w[i % 4], w[(i + 1) % 4]), w[(i + 2) % 4], w[(i + 3) % 4]);
            }
        }
        abcd = vaddq_u32(abcd, abcd_before);
        efgh = vaddq_u32(efgh, efgh_before);
    }
    vst1q_u32(state, abcd);
    vst1q_u32(state + 4, efgh);
}
