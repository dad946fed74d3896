/* The page tables of x86-64: platform/common/paging.h. */
#ifndef KGPT_X86_64_PAGING_H
#define KGPT_X86_64_PAGING_H

#include "platform/common/paging.h"

/* Maps the first 4 GiB and all RAM above. Returns false if memory for tables ran out. */
bool kg_paging_init(void);

/* Enables write-combining in the PAT, if supported: call it on every processor before the first use. */
void kg_paging_join(void);

#endif
