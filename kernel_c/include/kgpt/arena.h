/* Arena allocator: one region of memory, allocated from its start. Single objects are never freed.
 *
 * One function both sizes and allocates an object: it sets the pointers of the object, and writes through none. With
 * a counting arena it computes the size; with an arena that has memory it allocates. */
#ifndef KGPT_ARENA_H
#define KGPT_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KG_ARENA_ALIGN 64u /* alignment of every allocation: a cache line, and the widest vector */
#define KG_ARENA_COUNTED \
    ((void *)(uintptr_t)KG_ARENA_ALIGN) /* the address that a counting arena returns: in the page at 0 */

struct kg_arena {
    uint8_t *base;
    size_t size;
    size_t used;
    size_t peak;  /* the largest value of `used` so far */
    size_t dirty; /* bytes from the start that may not be zero */
    bool counts;  /* counting arena: it has no memory; its allocations must not be read or written */
};

void kg_arena_init(struct kg_arena *arena, void *base, size_t size);

/* After kg_arena_init: all of its memory is zero. So kg_arena_take writes only to memory that was taken before, and a
 * process gets pages when it uses them. */
static inline void kg_arena_is_zero(struct kg_arena *arena)
{
    arena->dirty = 0;
}

/* A counting arena: without memory and without a limit. `used` and `peak` get the values that the same calls would
 * give an arena with memory. SIZE_MAX means overflow. */
struct kg_arena kg_arena_counting(void);

/* Allocates `bytes` of zeroed memory, aligned to KG_ARENA_ALIGN. Returns NULL if the arena is full. A counting arena
 * returns an address that is not NULL and must not be accessed. */
void *kg_arena_take(struct kg_arena *arena, size_t bytes);

/* Allocates `count` * `each` bytes. Returns NULL if the product overflows. */
void *kg_arena_array(struct kg_arena *arena, size_t count, size_t each);

/* a * b for sizes of arrays; SIZE_MAX, which never fits, on overflow. */
size_t kg_arena_times(size_t a, size_t b);

/* Frees everything allocated since `used` was read. */
void kg_arena_rewind(struct kg_arena *arena, size_t used);

size_t kg_arena_left(const struct kg_arena *arena); /* bytes */

/* For kg_arena_take: adds `bytes`, rounded up to the alignment, to `used`. Returns false if they do not fit. */
bool kg_arena_reserve(struct kg_arena *arena, size_t bytes);

/* Bytes of the arena that kg_arena_take(bytes) uses, with alignment; SIZE_MAX on overflow. */
size_t kg_arena_cost(size_t bytes);

#endif
