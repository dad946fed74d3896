/* The contract between an architecture's room and paging.c: entries of its page tables. */
#ifndef KGPT_COMMON_TRANSLATION_H
#define KGPT_COMMON_TRANSLATION_H

#include <stdbool.h>
#include <stdint.h>

enum kg_access {
    KG_ACCESS_NONE,      /* not mapped */
    KG_ACCESS_CODE,      /* executable and read-only */
    KG_ACCESS_CONSTANT,  /* read-only */
    KG_ACCESS_MEMORY,    /* read-write */
    KG_ACCESS_REGISTERS, /* read-write, uncached */
    KG_ACCESS_COMBINING, /* read-write, write-combining if supported */
};

/* The entry of a page of 4 KiB, or of 2 MiB if `large`; 0 for KG_ACCESS_NONE. */
uint64_t kg_entry_page(uint64_t address, enum kg_access access, bool large);
uint64_t kg_entry_table(const uint64_t *table);

bool kg_entry_is_mapped(uint64_t entry);
bool kg_entry_is_large(uint64_t entry);             /* of an entry of level 1 */
uint64_t kg_entry_part(uint64_t large, unsigned i); /* the i-th page of 4 KiB of a page of 2 MiB */

/* Replaces an entry, which may be in use. It takes effect by kg_translation_changed. */
void kg_entry_set(uint64_t *entry, uint64_t value);

void kg_translation_use(const uint64_t *root);
void kg_translation_changed(bool uncached); /* `uncached`: ordinary memory has become a device's */
uint64_t kg_translation_end(void);          /* the end of the physical addresses that can be mapped */

#endif
