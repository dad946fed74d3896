/* One region of memory, handed out from its start and never returned piece by piece.
 *
 * One function says what an object takes: it sets the pointers of the object, and writes through none. Called with an
 * arena that counts, the function sizes the object; called with an arena that has memory, it carves the object. */
#ifndef KGPT_ARENA_H
#define KGPT_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KG_ARENA_ALIGN 64u                                   /* of every piece: a cache line, and the widest vector */
#define KG_ARENA_COUNTED ((void *)(uintptr_t)KG_ARENA_ALIGN) /* every piece of an arena that counts: in the page at 0 */

struct kg_arena {
    uint8_t *base;
    size_t size;
    size_t used;
    size_t peak; /* the most that was in use at once */
    bool counts; /* it has no memory, and its pieces must not be read or written */
};

void kg_arena_init(struct kg_arena *arena, void *base, size_t size);

/* An arena without memory and without an end: `used` and `peak` are what the same calls use of one that has memory.
 * SIZE_MAX: that number has more than 64 bits. */
struct kg_arena kg_arena_counting(void);

/* `bytes` of zeroed, KG_ARENA_ALIGN-aligned memory; NULL if they do not fit. An arena that counts returns an address
 * that is not NULL, and where there is no memory. */
void *kg_arena_take(struct kg_arena *arena, size_t bytes);

/* The same for `count` times `each` bytes; a product that overflows does not fit. */
void *kg_arena_array(struct kg_arena *arena, size_t count, size_t each);

/* a * b for the counts of arrays; SIZE_MAX, which fits nowhere, if that overflows. */
size_t kg_arena_times(size_t a, size_t b);

/* Give back everything taken since `used` was read. */
void kg_arena_rewind(struct kg_arena *arena, size_t used);

size_t kg_arena_left(const struct kg_arena *arena); /* bytes */

/* For kg_arena_take: adds `bytes`, rounded up, to what is used; false if they do not fit. */
bool kg_arena_reserve(struct kg_arena *arena, size_t bytes);

/* What kg_arena_take(bytes) uses up; SIZE_MAX if that overflows. */
size_t kg_arena_cost(size_t bytes);

#endif
