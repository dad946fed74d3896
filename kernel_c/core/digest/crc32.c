/* CRC-32 with a table per nibble: 64 bytes, and fast enough for the model's checksum at boot. */
#include "kgpt/crc32.h"

/* CRC-32 of a nibble: entry i is i shifted four times through the reflected polynomial 0xEDB88320. */
static const uint32_t nibble_table[16] = {
    0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
    0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
};

uint32_t kg_crc32_more(uint32_t crc, const void *bytes, size_t n)
{
    const uint8_t *b = bytes;
    for (size_t i = 0; i < n; i++) {
        crc ^= b[i];
        crc = crc >> 4 ^ nibble_table[crc & 15];
        crc = crc >> 4 ^ nibble_table[crc & 15];
    }
    return crc;
}

uint32_t kg_crc32(const void *bytes, size_t n)
{
    return ~kg_crc32_more(KG_CRC32_BEGIN, bytes, n);
}
