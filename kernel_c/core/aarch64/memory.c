/* memcpy, memmove, memset and memcmp for the bare machine. The loops are assembly, because a compiler may turn a copy
 * loop into a call of memcpy itself. They use general registers only. Words of 8 bytes are read and written where both
 * addresses have the same offset in a word, so that the functions work before the MMU is on, when memory is device
 * memory and unaligned accesses fault. Otherwise only the destination is aligned, which needs the MMU: struct copies of
 * the boot code are aligned. */
#include <stdint.h>

#include "kgpt/mem.h"

#define WORD sizeof(uint64_t)

static inline size_t to_alignment(const void *p, size_t n)
{
    size_t skip = -(uintptr_t)p % WORD;
    return skip < n ? skip : n;
}

static uint8_t *copy_bytes_up(uint8_t *to, const uint8_t **from, size_t n)
{
    for (; n; n--) {
        __asm__ volatile("ldrb w9, [%1], #1\n\tstrb w9, [%0], #1" : "+r"(to), "+r"(*from) : : "x9", "memory");
    }
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    const uint8_t *source = from;
    size_t head = to_alignment(to, n);
    uint8_t *cursor = copy_bytes_up(to, &source, head);
    n -= head;
    for (; n >= 2 * WORD; n -= 2 * WORD) {
        __asm__ volatile("ldp x9, x10, [%1], #16\n\tstp x9, x10, [%0], #16"
                         : "+r"(cursor), "+r"(source)
                         :
                         : "x9", "x10", "memory");
    }
    copy_bytes_up(cursor, &source, n);
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    if ((uintptr_t)to - (uintptr_t)from >= n) { /* `to` is not inside [from, from + n): copying forwards is safe */
        return memcpy(to, from, n);
    }
    uint8_t *end_to = (uint8_t *)to + n;
    const uint8_t *end_from = (const uint8_t *)from + n;
    for (; n; n--) {
        __asm__ volatile("ldrb w9, [%1, #-1]!\n\tstrb w9, [%0, #-1]!"
                         : "+r"(end_to), "+r"(end_from)
                         :
                         : "x9", "memory");
    }
    return to;
}

static uint8_t *set_bytes(uint8_t *to, uint64_t pattern, size_t n)
{
    for (; n; n--) {
        __asm__ volatile("strb %w1, [%0], #1" : "+r"(to) : "r"(pattern) : "memory");
    }
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    uint64_t pattern = 0x0101010101010101u * (uint8_t)byte;
    size_t head = to_alignment(to, n);
    uint8_t *cursor = set_bytes(to, pattern, head);
    n -= head;
    for (; n >= 2 * WORD; n -= 2 * WORD) {
        __asm__ volatile("stp %1, %1, [%0], #16" : "+r"(cursor) : "r"(pattern) : "memory");
    }
    set_bytes(cursor, pattern, n);
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
