/* Numbers in packets: big endian, at any address. */
#ifndef KGPT_NET_BYTES_H
#define KGPT_NET_BYTES_H

#include <stdint.h>

static inline uint16_t kg_get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t kg_get32(const uint8_t *at)
{
    return (uint32_t)kg_get16(at) << 16 | kg_get16(at + 2);
}

static inline void kg_put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void kg_put32(uint8_t *at, uint32_t value)
{
    kg_put16(at, value >> 16);
    kg_put16(at + 2, value);
}

#endif
