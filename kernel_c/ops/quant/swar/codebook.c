/* Pairs of values of 4-bit codes (swar.h): one load translates two codes. */
#include "ops/quant/codebook.h"
#include "swar.h"

/* pair(a, b) for each of 16 values a. */
#define PAIRS(pair, b, ...) PAIRS_(pair, b, __VA_ARGS__)
#define PAIRS_(pair, z, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)                                         \
    pair(a, z), pair(b, z), pair(c, z), pair(d, z), pair(e, z), pair(f, z), pair(g, z), pair(h, z), pair(i, z), \
        pair(j, z), pair(k, z), pair(l, z), pair(m, z), pair(n, z), pair(o, z), pair(p, z)

#define LOW_AND_HIGH(value) ((uint64_t)((value) & 15) | (uint64_t)((value) >> 4) << 32)
#define IQ4_PAIR(a, b) LOW_AND_HIGH(KG_IQ4_UNSIGNED(a)) | LOW_AND_HIGH(KG_IQ4_UNSIGNED(b)) << 16
#define IQ4_PAIRS(b) PAIRS(IQ4_PAIR, b, KG_IQ4_VALUES)
#define MXFP4_PAIR(a, b) KG_MXFP4_UNSIGNED(a) | KG_MXFP4_UNSIGNED(b) << 16
#define MXFP4_PAIRS(b) PAIRS(MXFP4_PAIR, b, KG_MXFP4_VALUES)

const uint64_t kg_iq4_pairs[256] = {KG_MAP16(IQ4_PAIRS, KG_IQ4_VALUES)};
const uint32_t kg_mxfp4_pairs[256] = {KG_MAP16(MXFP4_PAIRS, KG_MXFP4_VALUES)};
