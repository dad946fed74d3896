/* SHA-256 (FIPS 180-4), by the processor's own instructions for it where it has them. Only in images that are given boot modules. */
#ifndef KGPT_SHA256_H
#define KGPT_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define KG_SHA256_SIZE 32

/* `features` are those of the processor (enum kg_cpu_feature). */
void kg_sha256(const void *bytes, size_t n, uint32_t features, uint8_t digest[KG_SHA256_SIZE]);

/* The same; calls `tell` with the bytes that are done after every KG_SHA256_STEP of them, and at the end. */
#define KG_SHA256_STEP (4u << 20)
void kg_sha256_telling(const void *bytes, size_t n, uint32_t features, uint8_t digest[KG_SHA256_SIZE],
                       void (*tell)(void *context, size_t done), void *context);

/* For sha256.c: `state` goes on over `n` blocks of 64 bytes. */
void kg_sha256_blocks_sha(uint32_t state[8], const uint8_t *bytes, size_t n);
extern const uint32_t kg_sha256_constants[64];

#endif
