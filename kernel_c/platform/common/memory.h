/* The memory map: which RAM is ours, page frames for the page tables, and the arena that the application gets. */
#ifndef KGPT_X86_64_MEMORY_H
#define KGPT_X86_64_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "platform/boot/boot.h"

#define KG_PAGE 4096ull
#define KG_FOUR_GIB 0x100000000ull

/* Finds the largest runs of RAM that neither the image nor a module uses. Returns false if there is none. */
bool kg_memory_init(const struct kg_boot *boot);

uintptr_t kg_memory_image_end(void); /* where the model, the last thing in the image, ends */

uint64_t kg_memory_total(void);   /* bytes of RAM the loader reported */
uint64_t kg_memory_highest(void); /* end address of the last region of RAM */
void *kg_memory_pages(size_t n);  /* zeroed and in a row, at boot below 4 GiB; NULL when there are not so many left */
void *kg_memory_page(void);       /* one */

/* The largest run. Pages come from the others, or, where those are too small, from a few that are cut off here. */
void *kg_memory_arena(size_t *size);
void kg_memory_give(void *base, size_t size); /* memory of the arena that pages may be taken from, too */

/* A page of RAM below 1 MiB that nothing uses, for processors that start in real mode; 0: there is none. */
uint64_t kg_memory_start_page(void);

#endif
