/* CRC-32 of large inputs by slicing-by-8: eight bytes in each step. The tables are computed on the stack for each
 * call; as constants they would be a twentieth of a kernel. */
#include "kgpt/crc32.h"

#define POLYNOMIAL 0xEDB88320u /* reflected */
#define SLICES 8

/* table[k][i]: the CRC of byte i followed by k zero bytes. */
static void make_tables(uint32_t table[SLICES][256])
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        }
        table[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int k = 1; k < SLICES; k++) {
            uint32_t before = table[k - 1][i];
            table[k][i] = before >> 8 ^ table[0][before & 0xFF];
        }
    }
}

static uint32_t by_slices(uint32_t crc, const uint8_t *b, size_t n, uint32_t table[SLICES][256])
{
    for (size_t i = 0; i + SLICES <= n; i += SLICES) {
        uint32_t low, high;
        __builtin_memcpy(&low, b + i, sizeof low); /* inlined: not a call of memcpy */
        __builtin_memcpy(&high, b + i + sizeof low, sizeof high);
        low ^= crc;
        crc = table[7][low & 0xFF] ^ table[6][low >> 8 & 0xFF] ^ table[5][low >> 16 & 0xFF] ^ table[4][low >> 24] ^
              table[3][high & 0xFF] ^ table[2][high >> 8 & 0xFF] ^ table[1][high >> 16 & 0xFF] ^ table[0][high >> 24];
    }
    return crc;
}

uint32_t kg_crc32_long(const void *bytes, size_t n)
{
    uint32_t table[SLICES][256];
    make_tables(table);
    const uint8_t *b = bytes;
    uint32_t crc = by_slices(0xFFFFFFFF, b, n, table);
    for (size_t i = n - n % SLICES; i < n; i++) {
        crc = crc >> 8 ^ table[0][(crc ^ b[i]) & 0xFF];
    }
    return ~crc;
}
