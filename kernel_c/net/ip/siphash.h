/* The keyed hash SipHash-2-4. */
#ifndef KGPT_NET_SIPHASH_H
#define KGPT_NET_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t kg_siphash(const uint64_t key[2], const void *bytes, size_t n);

#endif
