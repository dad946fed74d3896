/* The memory map: usable RAM, page frames for page tables and DMA, and the arena for the application. */
#ifndef KGPT_COMMON_MEMORY_H
#define KGPT_COMMON_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "platform/boot/boot.h"

#define KG_PAGE 4096ull
#define KG_FOUR_GIB 0x100000000ull

/* Finds the largest runs of RAM that neither the kernel nor a module uses. Returns false if there is none. */
bool kg_memory_init(const struct kg_boot *boot);

uintptr_t kg_memory_image_end(void); /* end of the model, which is last in the kernel */

uint64_t kg_memory_total(void);   /* RAM in bytes, as the loader reported */
uint64_t kg_memory_highest(void); /* end address of the last region of RAM */
void *kg_memory_pages(size_t n);  /* zeroed and contiguous; NULL: not available */
void *kg_memory_page(void);       /* one page */

/* Returns the largest run. Pages come from the other runs; if those are too small, a few pages are reserved here. */
void *kg_memory_arena(size_t *size);
void kg_memory_give(void *base, size_t size); /* makes arena memory available for pages */

/* An unused page of RAM below 1 MiB, where processors start in real mode; 0: none. */
uint64_t kg_memory_start_page(void);

#endif
