#include "kgpt/arena.h"

#include "kgpt/test.h"

KG_TEST(arena, pieces_are_aligned_zeroed_and_apart)
{
    struct kg_arena arena;
    uint8_t *memory = kg_arena_take(t->arena, 1024);
    KG_CHECK(t, memory);
    for (int i = 0; i < 1024; i++) {
        memory[i] = 0xFF;
    }
    kg_arena_init(&arena, memory + 3, 1000);
    uint8_t *a = kg_arena_take(&arena, 1), *b = kg_arena_take(&arena, 65);
    KG_CHECK(t, a && b);
    KG_CHECK_EQ(t, (uintptr_t)a % KG_ARENA_ALIGN, 0);
    KG_CHECK_EQ(t, b - a, KG_ARENA_ALIGN);
    for (int i = 0; i < 65; i++) {
        KG_CHECK_EQ(t, b[i], 0);
    }
}

KG_TEST(arena, refuses_what_does_not_fit)
{
    struct kg_arena arena;
    kg_arena_init(&arena, kg_arena_take(t->arena, 256), 256);
    KG_CHECK(t, !kg_arena_take(&arena, 257));
    KG_CHECK(t, kg_arena_take(&arena, 256));
    KG_CHECK(t, !kg_arena_take(&arena, 1));
    KG_CHECK(t, kg_arena_take(&arena, 0));
}

KG_TEST(arena, sizes_that_overflow_are_refused)
{
    struct kg_arena arena;
    kg_arena_init(&arena, kg_arena_take(t->arena, 256), 256);
    KG_CHECK_EQ(t, kg_arena_cost(SIZE_MAX), SIZE_MAX);
    KG_CHECK_EQ(t, kg_arena_cost(SIZE_MAX - 1), SIZE_MAX);
    KG_CHECK_EQ(t, kg_arena_cost(65), 128);
    KG_CHECK(t, !kg_arena_take(&arena, SIZE_MAX));
    KG_CHECK(t, !kg_arena_take(&arena, SIZE_MAX - 63));
    KG_CHECK_EQ(t, arena.used, 0);
}

KG_TEST(arena, rewinds)
{
    struct kg_arena arena;
    kg_arena_init(&arena, kg_arena_take(t->arena, 256), 256);
    uint8_t *a = kg_arena_take(&arena, 10);
    size_t used = arena.used;
    uint8_t *b = kg_arena_take(&arena, 10);
    b[0] = 9;
    kg_arena_rewind(&arena, used);
    KG_CHECK(t, kg_arena_take(&arena, 10) == b && a != b);
    KG_CHECK_EQ(t, b[0], 0);
}

KG_TEST(arena, writes_only_to_memory_that_was_taken_before)
{
    struct kg_arena arena;
    uint8_t *memory = kg_arena_take(t->arena, 256);
    kg_arena_init(&arena, memory, 256);
    kg_arena_is_zero(&arena);
    memory[64] = 1;
    memory[128] = 2; /* a mark: it is not overwritten when its memory is taken for the first time */
    uint8_t *a = kg_arena_take(&arena, 128);
    KG_CHECK(t, a == memory && a[64] == 1);
    kg_arena_rewind(&arena, 64);
    uint8_t *b = kg_arena_take(&arena, 128);
    KG_CHECK(t, b == memory + 64);
    KG_CHECK_EQ(t, b[0], 0);
    KG_CHECK_EQ(t, b[64], 2);
    kg_arena_rewind(&arena, 0);
    KG_CHECK_EQ(t, ((uint8_t *)kg_arena_take(&arena, 256))[128], 0);
}

KG_TEST(arena, an_unaligned_crumb_is_no_memory)
{
    struct kg_arena arena;
    uint8_t *memory = kg_arena_take(t->arena, 128);
    kg_arena_init(&arena, memory + 1, 20);
    KG_CHECK_EQ(t, arena.size, 0);
    KG_CHECK(t, !kg_arena_take(&arena, 1));
}
