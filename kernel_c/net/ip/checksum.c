/* The Internet checksum around its sum: see checksum.h. */
#include "checksum.h"

#include "bytes.h"
#include "kgpt/mem.h"

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
