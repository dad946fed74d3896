/* The contract between an architecture's room and paging.c: entries of its page tables. */
#ifndef KGPT_COMMON_TRANSLATION_H
#define KGPT_COMMON_TRANSLATION_H

#include <stdbool.h>
#include <stdint.h>

#define KG_ENTRY_MAPPED 1ull

enum kg_access {
    KG_ACCESS_NONE,      /* not mapped */
    KG_ACCESS_CODE,      /* executable and read-only */
    KG_ACCESS_CONSTANT,  /* read-only */
    KG_ACCESS_MEMORY,    /* read-write */
    KG_ACCESS_REGISTERS, /* read-write, uncached */
    KG_ACCESS_COMBINING, /* read-write, write-combining if supported */
    KG_ACCESSES,
};

/* The bits of an entry beside the address. */
struct kg_entry_bits {
    uint64_t access[KG_ACCESSES];
    uint64_t large, small; /* added for a page of 2 MiB, and of 4 KiB: they differ in one bit */
    uint64_t table;        /* of an entry that leads to a table */
};
extern struct kg_entry_bits kg_entry_bits;

/* Replaces an entry, which may be in use. It takes effect by kg_translation_changed. */
void kg_entry_set(uint64_t *entry, uint64_t value);

void kg_translation_use(const uint64_t *root);
void kg_translation_changed(bool uncached); /* `uncached`: ordinary memory has become a device's */
uint64_t kg_translation_end(void);          /* the end of the physical addresses that can be mapped */

#endif
