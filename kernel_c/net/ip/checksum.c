/* Internet checksum and SipHash: see checksum.h. A sum of 16-bit words in one's complement is the same in any byte
 * order, so it is computed in the processor's own, in words of 32 bits. */
#include "checksum.h"

#include "bytes.h"
#include "kgpt/mem.h"

uint64_t kg_checksum_add(uint64_t sum, const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    for (; n >= 8; at += 8, n -= 8) {
        uint32_t words[2];
        memcpy(words, at, 8);
        sum += words[0];
        sum += words[1];
    }
    uint8_t rest[8] = {0};
    uint32_t words[2];
    memcpy(rest, at, n);
    memcpy(words, rest, 8);
    return sum + words[0] + words[1];
}

uint64_t kg_checksum_pseudo(uint32_t from, uint32_t to, uint8_t protocol, uint32_t n)
{
    uint8_t header[12] = {0};
    kg_put32(header, from);
    kg_put32(header + 4, to);
    header[9] = protocol;
    kg_put16(header + 10, n);
    return kg_checksum_add(0, header, sizeof header);
}

static uint16_t fold_checksum(uint64_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    return (uint16_t)sum;
}

void kg_checksum_put(uint64_t sum, uint8_t *to)
{
    uint16_t value = (uint16_t)~fold_checksum(sum);
    memcpy(to, &value, 2);
}

bool kg_checksum_good(uint64_t sum)
{
    return fold_checksum(sum) == 0xFFFF;
}

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
