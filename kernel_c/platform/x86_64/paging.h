/* The final page tables: identity, W^X. */
#ifndef KGPT_X86_64_PAGING_H
#define KGPT_X86_64_PAGING_H

#include <stdbool.h>

/* Maps the first 4 GiB and all RAM above, read-write and not executable in 2 MiB pages, but the image in 4 KiB pages with the
 * permissions of its segments, and page 0 and the stack guards not at all. Returns false if memory for tables ran out. */
bool kg_paging_init(void);

#endif
