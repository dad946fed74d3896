/* The Internet checksum (RFC 1071). */
#ifndef KGPT_NET_CHECKSUM_H
#define KGPT_NET_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* checksum_add.c: adds bytes to a sum that begins as 0. Only the last part of a packet may have an odd length. */
uint64_t kg_checksum_add(uint64_t sum, const void *bytes, size_t n);
uint64_t kg_checksum_pseudo(uint32_t from, uint32_t to, uint8_t protocol, uint32_t n); /* of TCP and UDP */

/* Writes the checksum of a sum at `to`. */
void kg_checksum_put(uint64_t sum, uint8_t *to);
/* True for a packet whose checksum is right: the sum runs over the checksum too. */
bool kg_checksum_good(uint64_t sum);

#endif
