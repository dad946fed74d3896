/* CRC-32 as zlib, gzip and PNG compute it. */
#ifndef KGPT_CRC32_H
#define KGPT_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t kg_crc32(const void *bytes, size_t n);

/* The same checksum, faster for inputs of several kilobytes; it uses 8 KB of stack for tables. Only kernels for
 * language models link it. */
uint32_t kg_crc32_long(const void *bytes, size_t n);

#endif
