/* Arena allocation: see kgpt/arena.h. */
#include "kgpt/arena.h"

#include "kgpt/mem.h"

void kg_arena_init(struct kg_arena *arena, void *base, size_t size)
{
    size_t skip = (size_t)(-(uintptr_t)base & (KG_ARENA_ALIGN - 1));
    if (skip > size) {
        skip = size;
    }
    *arena = (struct kg_arena){.base = (uint8_t *)base + skip, .size = size - skip, .dirty = size - skip};
}

void *kg_arena_take(struct kg_arena *arena, size_t bytes)
{
    size_t at = arena->used;
    if (!kg_arena_reserve(arena, bytes)) {
        return NULL;
    }
    if (arena->counts) {
        return KG_ARENA_COUNTED;
    }
    size_t end = arena->used, dirty = arena->dirty < end ? arena->dirty : end;
    if (at < dirty) {
        memset(arena->base + at, 0, dirty - at);
    }
    arena->dirty = arena->dirty > end ? arena->dirty : end;
    return arena->base + at;
}

void *kg_arena_array(struct kg_arena *arena, size_t count, size_t each)
{
    return kg_arena_take(arena, kg_arena_times(count, each));
}

void kg_arena_rewind(struct kg_arena *arena, size_t used)
{
    if (used < arena->used) {
        arena->used = used;
    }
}
