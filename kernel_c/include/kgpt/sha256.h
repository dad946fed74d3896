/* SHA-256 (FIPS 180-4), with the SHA instructions if the processor has them. Only kernels that accept boot modules
 * link it. */
#ifndef KGPT_SHA256_H
#define KGPT_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KG_SHA256_SIZE 32

/* `features`: enum kg_cpu_feature of the processor. */
void kg_sha256(const void *bytes, size_t n, uint32_t features, uint8_t digest[KG_SHA256_SIZE]);

/* The same with progress: calls `tell` with the number of bytes done after each KG_SHA256_STEP bytes and at the end. */
#define KG_SHA256_STEP (4u << 20)
void kg_sha256_telling(const void *bytes, size_t n, uint32_t features, uint8_t digest[KG_SHA256_SIZE],
                       void (*tell)(void *context, size_t done), void *context);

/* The same for bytes that come in pieces of any size. */
struct kg_sha256 {
    uint32_t state[8];
    uint64_t n; /* bytes so far */
    uint8_t held[64];
    bool has_sha;
};

void kg_sha256_begin(struct kg_sha256 *s, uint32_t features);
void kg_sha256_add(struct kg_sha256 *s, const void *bytes, size_t n);
void kg_sha256_end(struct kg_sha256 *s, uint8_t digest[KG_SHA256_SIZE]);

/* For sha256.c: updates `state` with `n` blocks of 64 bytes by the SHA instructions, if a processor with these features
 * (enum kg_cpu_feature) has them. Of the architecture's room of core/. */
bool kg_sha256_has_instructions(uint32_t features);
void kg_sha256_blocks_sha(uint32_t state[8], const uint8_t *bytes, size_t n);
extern const uint32_t kg_sha256_constants[64];

#endif
