/* CRC-32 as zlib, gzip and PNG compute it. */
#ifndef KGPT_CRC32_H
#define KGPT_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t kg_crc32(const void *bytes, size_t n);

/* The same sum, quicker from some kilobytes on; it needs 8 KB of stack. Only in images for language models. */
uint32_t kg_crc32_long(const void *bytes, size_t n);

#endif
