/* kgpt/arena.h for fuzzing: hands out as much and refuses as much as core/arena.c does, but every piece is memory of its own, of exactly
 * the bytes that were asked for, so that a sanitizer sees the first byte too many. Arenas need no memory, and are given back by
 * kg_arena_rewind(arena, 0). */
#ifndef KGPT_CHECKED_ARENA_H
#define KGPT_CHECKED_ARENA_H

#include "kgpt/arena.h"

/* What some call took of an arena, and wrote there. */
struct checked_pieces {
    struct checked_piece {
        size_t at; /* behind what was used before the call */
        uint8_t *memory, *copy;
        size_t bytes;
    } piece[16];
    size_t n, cost;
};

/* Remembers all that was taken since `used`. */
void checked_arena_learn(struct checked_pieces *pieces, const struct kg_arena *arena, size_t used);

/* Takes the same again, at the same addresses, with the same contents. What was learnt must have been given back. */
void checked_arena_repeat(const struct checked_pieces *pieces, struct kg_arena *arena);

/* What was taken so far stays, of all arenas, and is not watched over any more. */
void checked_arena_keep(void);

/* Gives back everything, of all arenas. */
void checked_arena_free(void);

#endif
