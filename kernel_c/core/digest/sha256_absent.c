/* The loader uses no vector registers, so it hashes in plain C: it names no features, and nothing calls this. */
#include "kgpt/sha256.h"

bool kg_sha256_has_instructions(uint32_t features)
{
    (void)features;
    return false;
}

void kg_sha256_blocks_sha(uint32_t state[8], const uint8_t *bytes, size_t n)
{
    (void)state;
    (void)bytes;
    (void)n;
    __builtin_trap();
}
