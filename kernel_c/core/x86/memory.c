/* memcpy, memmove, memset and memcmp for the bare machine. They use string instructions, because a compiler may turn
 * a copy loop into a call of memcpy itself. */
#include <stdint.h>

#include "kgpt/mem.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    void *cursor = to;
    size_t words = n / 8, rest = n % 8;
    __asm__ volatile("rep movsq" : "+D"(cursor), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(cursor), "+S"(from), "+c"(rest) : : "memory");
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    if ((uintptr_t)to - (uintptr_t)from >= n) { /* `to` is not inside [from, from + n): copying forwards is safe */
        return memcpy(to, from, n);
    }
    uint8_t *last_to = (uint8_t *)to + n - 1;
    const uint8_t *last_from = (const uint8_t *)from + n - 1;
    __asm__ volatile("std\n\trep movsb\n\tcld" : "+D"(last_to), "+S"(last_from), "+c"(n) : : "memory", "cc");
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    void *cursor = to;
    size_t words = n / 8, rest = n % 8;
    uint64_t pattern = 0x0101010101010101u * (uint8_t)byte;
    __asm__ volatile("rep stosq" : "+D"(cursor), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(cursor), "+c"(rest) : "a"(pattern) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;
    for (size_t i = 0; i < n; i++) {
        if (x[i] != y[i]) {
            return x[i] - y[i];
        }
    }
    return 0;
}
