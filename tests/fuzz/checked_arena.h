/* kgpt/arena.h for fuzzing. It has the same limits as core/arena.c, but every allocation is separate and has exactly
 * the requested size, so that sanitizers detect overflows. Arenas need no memory; kg_arena_rewind(arena, 0) frees
 * them. */
#ifndef KGPT_CHECKED_ARENA_H
#define KGPT_CHECKED_ARENA_H

#include "kgpt/arena.h"

/* A recording of what a call allocated and wrote. */
struct checked_pieces {
    struct checked_piece {
        size_t at; /* offset after the allocations before the call */
        uint8_t *memory, *copy;
        size_t bytes;
    } piece[16];
    size_t n, cost;
};

/* Records everything allocated since `used`. */
void checked_arena_learn(struct checked_pieces *pieces, const struct kg_arena *arena, size_t used);

/* Replays a recording: same addresses, same contents. The recorded memory must have been freed. */
void checked_arena_repeat(const struct checked_pieces *pieces, struct kg_arena *arena);

/* Makes all current allocations of all arenas permanent and unchecked. */
void checked_arena_keep(void);

/* Frees everything of all arenas. */
void checked_arena_free(void);

#endif
