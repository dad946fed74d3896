/* The final page tables: identity map, W^X. */
#ifndef KGPT_X86_64_PAGING_H
#define KGPT_X86_64_PAGING_H

#include <stdbool.h>
#include <stdint.h>

/* Maps the first 4 GiB and all RAM above, read-write and not executable, in 2 MiB pages. The kernel gets 4 KiB pages
 * with the permissions of its segments; page 0 and the stack guards stay unmapped. Returns false if memory for
 * tables ran out. */
bool kg_paging_init(void);

/* Enables write-combining in the PAT, if supported: call it on every processor before the first use. */
void kg_paging_join(void);

/* Later changes of single pages, before another processor uses them. Return false if memory for tables ran out, or
 * if the address exceeds the physical address width. */
bool kg_paging_guard(uint64_t page);  /* unmapped: an access is a page fault */
bool kg_paging_code(uint64_t page);   /* executable and read-only */
bool kg_paging_device(uint64_t page); /* registers: read-write, uncached */

/* Makes these physical addresses readable; maps unmapped pages read-only. Returns false beyond the physical address
 * width, for pages left unmapped on purpose, and without memory for tables. */
bool kg_paging_readable(uint64_t from, uint64_t size);

#endif
