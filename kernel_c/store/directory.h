/* What the two files of the store share: the places of its parts. */
#ifndef KGPT_STORE_DIRECTORY_H
#define KGPT_STORE_DIRECTORY_H

#include "kgpt/store.h"

/* Offsets in the area. */
uint64_t kg_store_unit_at(const struct kg_store *store, uint32_t unit);
uint64_t kg_store_directory_at(bool second);

/* The CRC that a directory should have. */
uint32_t kg_store_directory_crc(const struct kg_store_directory *directory);

/* Units that `size` bytes take. */
uint64_t kg_store_units_of(const struct kg_store *store, uint64_t size);

/* Marks the units of all records in store->used. False: a chain leaves the area, meets another one, or has not the
 * length of its record. */
bool kg_store_mark_used(struct kg_store *store);

#endif
