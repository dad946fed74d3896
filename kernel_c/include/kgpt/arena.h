/* One region of memory, handed out from its start and never returned piece by piece. */
#ifndef KGPT_ARENA_H
#define KGPT_ARENA_H

#include <stddef.h>
#include <stdint.h>

#define KG_ARENA_ALIGN 64u /* of every piece: a cache line, and the widest vector */

struct kg_arena {
    uint8_t *base;
    size_t size;
    size_t used;
};

void kg_arena_init(struct kg_arena *arena, void *base, size_t size);

/* `bytes` of zeroed, KG_ARENA_ALIGN-aligned memory; NULL if they do not fit. */
void *kg_arena_take(struct kg_arena *arena, size_t bytes);

/* What kg_arena_take(bytes) uses up, for sizing before carving; SIZE_MAX if that overflows. */
size_t kg_arena_cost(size_t bytes);

/* Give back everything taken since `used` was read. */
void kg_arena_rewind(struct kg_arena *arena, size_t used);

#endif
