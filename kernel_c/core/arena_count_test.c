#include "kgpt/arena.h"

#include "kgpt/test.h"

/* Random allocations of all sizes; some are rewound in between. */
static bool walk_pieces(struct kg_arena *arena, uint32_t seed)
{
    bool all = true;
    for (uint32_t i = 0; i < 20; i++) {
        size_t used = arena->used;
        seed = seed * 1664525u + 1013904223u;
        all = kg_arena_array(arena, seed >> 24, 1 + (seed >> 8) % 12) && all;
        if (seed & 64) {
            kg_arena_rewind(arena, used);
        }
    }
    return all;
}

KG_TEST(arena, counts_what_the_same_calls_take)
{
    for (uint32_t seed = 0; seed < 50; seed++) {
        struct kg_arena counted = kg_arena_counting(), arena;
        size_t used = t->arena->used;
        KG_CHECK(t, walk_pieces(&counted, seed));
        void *memory = kg_arena_take(t->arena, counted.peak);
        kg_arena_init(&arena, memory, counted.peak);
        KG_CHECK(t, walk_pieces(&arena, seed));
        KG_CHECK_EQ(t, arena.used, counted.used);
        KG_CHECK_EQ(t, arena.peak, counted.peak);
        kg_arena_init(&arena, memory, counted.peak - 1);
        KG_CHECK(t, !walk_pieces(&arena, seed));
        kg_arena_rewind(t->arena, used);
    }
}

KG_TEST(arena, a_count_that_overflows_stays_too_large)
{
    struct kg_arena counted = kg_arena_counting();
    KG_CHECK(t, kg_arena_array(&counted, SIZE_MAX / 2, 3));
    KG_CHECK_EQ(t, counted.used, SIZE_MAX);
    kg_arena_rewind(&counted, 0);
    KG_CHECK(t, kg_arena_take(&counted, 64) == KG_ARENA_COUNTED);
    KG_CHECK_EQ(t, counted.used, 64);
    KG_CHECK_EQ(t, counted.peak, SIZE_MAX);
    KG_CHECK(t, kg_arena_take(&counted, SIZE_MAX - 200) && kg_arena_take(&counted, 200));
    KG_CHECK_EQ(t, counted.used, SIZE_MAX);
}
