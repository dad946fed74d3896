/* Bounds-checked reading of untrusted bytes. Each step is checked by a comparison that cannot overflow; a step that
 * does not fit leaves the cursor unchanged. Numbers are little-endian and may be unaligned. */
#ifndef KGPT_FORMATS_CURSOR_H
#define KGPT_FORMATS_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

struct kg_cursor {
    const uint8_t *data;
    uint64_t size; /* bytes of `data` */
    uint64_t at;   /* at most `size` */
};

/* The next `n` bytes; NULL if fewer remain. */
const uint8_t *kg_cursor_take(struct kg_cursor *cursor, uint64_t n);

static inline uint64_t kg_cursor_left(const struct kg_cursor *cursor)
{
    return cursor->size - cursor->at;
}

/* Builtins inline the loads. Calls of memcpy for four bytes would dominate the time to scan a list of strings. */
static inline uint32_t kg_load_u32(const uint8_t *data)
{
    uint32_t value;
    __builtin_memcpy(&value, data, sizeof value);
    return value;
}

static inline uint64_t kg_load_u64(const uint8_t *data)
{
    uint64_t value;
    __builtin_memcpy(&value, data, sizeof value);
    return value;
}

#endif
