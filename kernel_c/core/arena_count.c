/* Arena accounting: see kgpt/arena.h. */
#include "kgpt/arena.h"

struct kg_arena kg_arena_counting(void)
{
    return (struct kg_arena){.size = SIZE_MAX, .counts = true};
}

size_t kg_arena_cost(size_t bytes)
{
    if (bytes > SIZE_MAX - (KG_ARENA_ALIGN - 1)) {
        return SIZE_MAX;
    }
    return (bytes + KG_ARENA_ALIGN - 1) & ~(size_t)(KG_ARENA_ALIGN - 1);
}

size_t kg_arena_left(const struct kg_arena *arena)
{
    return arena->size - arena->used;
}

bool kg_arena_reserve(struct kg_arena *arena, size_t bytes)
{
    size_t cost = kg_arena_cost(bytes), left = kg_arena_left(arena);
    if (cost > left && !arena->counts) {
        return false;
    }
    arena->used += cost < left ? cost : left;
    arena->peak = arena->used > arena->peak ? arena->used : arena->peak;
    return true;
}

size_t kg_arena_times(size_t a, size_t b)
{
    size_t product;
    return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}
