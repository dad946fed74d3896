/* The four functions that a C compiler may call implicitly. The kernel links core/x86/memory.c; a hosted process uses
 * its C library, where sanitizers intercept them. */
#ifndef KGPT_MEM_H
#define KGPT_MEM_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#endif
