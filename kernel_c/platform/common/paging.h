/* The page tables: identity map, W^X. Four levels of tables with 512 entries for 4 KiB each, as x86-64 and aarch64 have
 * them; translation.h tells what an entry looks like. */
#ifndef KGPT_COMMON_PAGING_H
#define KGPT_COMMON_PAGING_H

#include <stdbool.h>
#include <stdint.h>

/* At the start, by the architecture's kg_paging_init: begin, map all memory, then protect the kernel. The last one puts
 * the tables into use. Memory is mapped read-write and not executable, in 2 MiB pages where these fit. The kernel gets
 * the permissions of its segments; page 0 and the stack guards stay unmapped. Each returns false if memory for tables
 * ran out. */
bool kg_paging_begin(void);
bool kg_paging_memory(uint64_t from, uint64_t to);
bool kg_paging_protect(void);

/* Later changes of single pages, before another processor uses them. Return false if memory for tables ran out, or
 * if the address exceeds the physical address width. */
bool kg_paging_guard(uint64_t page);  /* unmapped: an access is a page fault */
bool kg_paging_code(uint64_t page);   /* executable and read-only */
bool kg_paging_device(uint64_t page); /* registers: read-write, uncached */

/* Makes these physical addresses readable; maps unmapped pages read-only. Returns false beyond the physical address
 * width, for pages left unmapped on purpose, and without memory for tables. */
bool kg_paging_readable(uint64_t from, uint64_t size);

#endif
