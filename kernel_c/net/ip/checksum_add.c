/* The sum of the Internet checksum: see checksum.h. A sum of 16-bit words in one's complement is the same in any byte
 * order, so it is computed in the processor's own, in words of 32 bits. */
#include "checksum.h"

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
