/* CRC-32 of large inputs by the instructions for it, which take eight bytes each. */
#include "kgpt/cpu.h"
#include "kgpt/crc32.h"

static inline uint32_t crc32_of_word(uint32_t crc, uint64_t word)
{
    __asm__("crc32x %w0, %w0, %1" : "+r"(crc) : "r"(word));
    return crc;
}

static inline uint32_t crc32_of_byte(uint32_t crc, uint8_t byte)
{
    __asm__("crc32b %w0, %w0, %w1" : "+r"(crc) : "r"(byte));
    return crc;
}

uint32_t kg_crc32_fast(const void *bytes, size_t n, uint32_t features)
{
    if (!(features & KG_CPU_CRC32)) {
        return kg_crc32_long(bytes, n);
    }
    const uint8_t *b = bytes;
    uint32_t crc = KG_CRC32_BEGIN;
    for (; n >= sizeof(uint64_t); n -= sizeof(uint64_t), b += sizeof(uint64_t)) {
        uint64_t word;
        __builtin_memcpy(&word, b, sizeof word); /* inlined: not a call of memcpy */
        crc = crc32_of_word(crc, word);
    }
    for (; n; n--) {
        crc = crc32_of_byte(crc, *b++);
    }
    return ~crc;
}
