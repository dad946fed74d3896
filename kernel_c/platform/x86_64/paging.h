/* The final page tables: identity, W^X. */
#ifndef KGPT_X86_64_PAGING_H
#define KGPT_X86_64_PAGING_H

#include <stdbool.h>
#include <stdint.h>

/* Maps the first 4 GiB and all RAM above, read-write and not executable in 2 MiB pages, but the image in 4 KiB pages
 * with the permissions of its segments, and page 0 and the stack guards not at all. Returns false if memory for
 * tables ran out. */
bool kg_paging_init(void);

/* Makes write-combining known to this processor, if it can do that: on every one, and before the first is told to
 * use it. */
void kg_paging_join(void);

/* Later changes, a page at a time, before any other processor uses it. False if memory for tables ran out, or the
 * processor cannot have memory at this address. */
bool kg_paging_guard(uint64_t page);  /* not mapped: a touch is a page fault */
bool kg_paging_code(uint64_t page);   /* executable and read-only */
bool kg_paging_device(uint64_t page); /* registers: read-write, uncached */

/* Sees to it that these physical addresses can be read, mapping what is not mapped yet read-only. False where that cannot be:
 * beyond physical memory's last address, in what is left unmapped on purpose, without memory for tables. */
bool kg_paging_readable(uint64_t from, uint64_t size);

#endif
