/* SipHash-2-4: see siphash.h. */
#include "siphash.h"

#include "kgpt/mem.h"

static uint64_t siphash_rotate(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static void siphash_rounds(uint64_t v[4], int n)
{
    for (; n > 0; n--) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = siphash_rotate(v[1], 13) ^ v[0];
        v[3] = siphash_rotate(v[3], 16) ^ v[2];
        v[0] = siphash_rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = siphash_rotate(v[1], 17) ^ v[2];
        v[3] = siphash_rotate(v[3], 21) ^ v[0];
        v[2] = siphash_rotate(v[2], 32);
    }
}

static void siphash_word(uint64_t v[4], const uint8_t bytes[8])
{
    uint64_t word = 0;
    for (int i = 7; i >= 0; i--) {
        word = word << 8 | bytes[i];
    }
    v[3] ^= word;
    siphash_rounds(v, 2);
    v[0] ^= word;
}

uint64_t kg_siphash(const uint64_t key[2], const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    uint64_t v[4] = {key[0] ^ 0x736F6D6570736575, key[1] ^ 0x646F72616E646F6D, key[0] ^ 0x6C7967656E657261,
                     key[1] ^ 0x7465646279746573};
    uint8_t last[8] = {0};
    last[7] = (uint8_t)n;
    for (; n >= 8; at += 8, n -= 8) {
        siphash_word(v, at);
    }
    memcpy(last, at, n);
    siphash_word(v, last);
    v[2] ^= 0xFF;
    siphash_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
