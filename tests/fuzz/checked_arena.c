/* See checked_arena.h. */
#include <stdlib.h>
#include <string.h>

#include "checked_arena.h"
#include "promise.h"

#define MOST_PIECES 128

static struct {
    const struct kg_arena *arena;
    size_t at; /* where it would lie */
    void *memory;
} pieces[MOST_PIECES];
static size_t n_pieces;

void kg_arena_init(struct kg_arena *arena, void *base, size_t size)
{
    *arena = (struct kg_arena){.base = base, .size = size};
}

size_t kg_arena_cost(size_t bytes)
{
    return bytes > SIZE_MAX - (KG_ARENA_ALIGN - 1) ? SIZE_MAX
                                                   : (bytes + KG_ARENA_ALIGN - 1) & ~(size_t)(KG_ARENA_ALIGN - 1);
}

void *kg_arena_take(struct kg_arena *arena, size_t bytes)
{
    size_t cost = kg_arena_cost(bytes);
    if (cost > arena->size - arena->used) {
        return NULL;
    }
    promise(n_pieces < MOST_PIECES);
    void *memory;
    promise(posix_memalign(&memory, KG_ARENA_ALIGN, bytes ? bytes : 1) == 0);
    memset(memory, 0, bytes);
    pieces[n_pieces].arena = arena;
    pieces[n_pieces].at = arena->used;
    pieces[n_pieces++].memory = memory;
    arena->used += cost;
    return memory;
}

void checked_arena_free(void)
{
    while (n_pieces) {
        free(pieces[--n_pieces].memory);
    }
}

void checked_arena_keep(void)
{
    n_pieces = 0;
}

void kg_arena_rewind(struct kg_arena *arena, size_t used)
{
    size_t kept = 0;
    for (size_t i = 0; i < n_pieces; i++) {
        if (pieces[i].arena == arena && pieces[i].at >= used) {
            free(pieces[i].memory);
        } else {
            pieces[kept++] = pieces[i];
        }
    }
    n_pieces = kept;
    if (used < arena->used) {
        arena->used = used;
    }
}
