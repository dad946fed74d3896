/* kgpt/arena.h for fuzzing: hands out as much and refuses as much as core/arena.c does, but every piece is memory of its own, of exactly
 * the bytes that were asked for, so that a sanitizer sees the first byte too many. Arenas need no memory, and are given back by
 * kg_arena_rewind(arena, 0). */
#ifndef KGPT_CHECKED_ARENA_H
#define KGPT_CHECKED_ARENA_H

#include "kgpt/arena.h"

/* What was taken so far stays, of all arenas, and is not watched over any more. */
void checked_arena_keep(void);

/* Gives back everything, of all arenas. */
void checked_arena_free(void);

#endif
