/* CRC-32 as zlib, gzip and PNG compute it. */
#ifndef KGPT_CRC32_H
#define KGPT_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t kg_crc32(const void *bytes, size_t n);

/* The same in pieces: begins with KG_CRC32_BEGIN; the complement of the last value is the checksum. */
#define KG_CRC32_BEGIN UINT32_MAX
uint32_t kg_crc32_more(uint32_t crc, const void *bytes, size_t n);

/* The same checksum, faster for inputs of several kilobytes; it uses 8 KB of stack for tables. Only kernels for
 * language models link it. */
uint32_t kg_crc32_long(const void *bytes, size_t n);

/* The same, by instructions if `features` (enum kg_cpu_feature) has them: about as fast as memory. In core/x86 and
 * core/aarch64. */
uint32_t kg_crc32_fast(const void *bytes, size_t n, uint32_t features);

/* For core/x86/crc32_fast.c, by PCLMULQDQ: from `n` bytes, at least KG_CRC32_CLMUL_LEAST, and the register `crc` makes
 * 16 bytes. With them and a register of 0 the CRC goes on to the same value. Returns how many bytes it has read; fewer
 * than 64 are left. */
#define KG_CRC32_CLMUL_LEAST 64u
size_t kg_crc32_fold_clmul(uint32_t crc, const uint8_t *bytes, size_t n, uint8_t rest[16]);

#endif
