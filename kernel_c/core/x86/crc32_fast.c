/* CRC-32 of large inputs by the fastest way that the processor has. */
#include "kgpt/cpu.h"
#include "kgpt/crc32.h"

#define POLYNOMIAL 0xEDB88320u /* reflected */
#define CLMUL_FEATURES (KG_CPU_PCLMUL | KG_CPU_SSE4_1)

/* Bit by bit, for the few bytes at the end. */
static uint32_t shift_in(uint32_t crc, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        }
    }
    return crc;
}

uint32_t kg_crc32_fast(const void *bytes, size_t n, uint32_t features)
{
    if ((features & CLMUL_FEATURES) != CLMUL_FEATURES || n < KG_CRC32_CLMUL_LEAST) {
        return kg_crc32_long(bytes, n);
    }
    uint8_t rest[16];
    size_t at = kg_crc32_fold_clmul(0xFFFFFFFF, bytes, n, rest);
    uint32_t crc = shift_in(0, rest, sizeof rest);
    return ~shift_in(crc, (const uint8_t *)bytes + at, n - at);
}
