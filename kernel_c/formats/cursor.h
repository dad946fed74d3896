/* A place in bytes that somebody else has written. It never leaves them: every step is checked first, by a comparison that cannot
 * overflow, and a step that does not fit leaves the cursor where it was. Numbers are little-endian and may lie at any address. */
#ifndef KGPT_FORMATS_CURSOR_H
#define KGPT_FORMATS_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

struct kg_cursor {
    const uint8_t *data;
    uint64_t size; /* bytes of `data` */
    uint64_t at;   /* never above `size` */
};

/* The next `n` bytes, NULL if there are not so many. */
const uint8_t *kg_cursor_take(struct kg_cursor *cursor, uint64_t n);

static inline uint64_t kg_cursor_left(const struct kg_cursor *cursor)
{
    return cursor->size - cursor->at;
}

/* Builtins: calls of memcpy for four bytes would be most of the time that a list of strings takes. */
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
