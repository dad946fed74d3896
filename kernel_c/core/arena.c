/* A bump allocator: see kgpt/arena.h. */
#include "kgpt/arena.h"

#include "kgpt/mem.h"

void kg_arena_init(struct kg_arena *arena, void *base, size_t size)
{
    size_t skip = (size_t)(-(uintptr_t)base & (KG_ARENA_ALIGN - 1));
    if (skip > size) {
        skip = size;
    }
    *arena = (struct kg_arena){.base = (uint8_t *)base + skip, .size = size - skip, .used = 0};
}

size_t kg_arena_cost(size_t bytes)
{
    if (bytes > SIZE_MAX - (KG_ARENA_ALIGN - 1)) {
        return SIZE_MAX;
    }
    return (bytes + KG_ARENA_ALIGN - 1) & ~(size_t)(KG_ARENA_ALIGN - 1);
}

void *kg_arena_take(struct kg_arena *arena, size_t bytes)
{
    size_t cost = kg_arena_cost(bytes);
    if (cost > arena->size - arena->used) {
        return NULL;
    }
    void *piece = arena->base + arena->used;
    arena->used += cost;
    return memset(piece, 0, cost);
}

void kg_arena_rewind(struct kg_arena *arena, size_t used)
{
    if (used < arena->used) {
        arena->used = used;
    }
}
