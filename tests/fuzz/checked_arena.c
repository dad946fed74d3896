/* Arena for fuzzing: see checked_arena.h. Allocations are in one region, which is poisoned between them. Freed
 * memory is reused as late as possible, so that a use after free is detected. This costs a tenth of malloc and free. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "checked_arena.h"
#include "promise.h"

#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, size)
#define ASAN_UNPOISON_MEMORY_REGION(memory, size)
#endif

#define MOST_PIECES 128
#define REGION ((size_t)16 << 20)
#define REST (REGION / 64) /* freed memory is reused after this many newly allocated bytes */

static uint8_t region[REGION] __attribute__((aligned(KG_ARENA_ALIGN)));
static size_t next, kept; /* offsets: of the next allocation, and of the end of permanent ones */
static struct piece {
    const struct kg_arena *arena;
    size_t at; /* offset */
    uint8_t *memory;
    size_t bytes;
} pieces[MOST_PIECES];
static size_t n_pieces;

void kg_arena_init(struct kg_arena *arena, void *base, size_t size)
{
    *arena = (struct kg_arena){.base = base, .size = size};
}

static bool in_region(const uint8_t *memory)
{
    return memory >= region && memory < region + REGION;
}

/* Bytes that an allocation uses: with a gap behind it that grows with the size and is never zero. */
static size_t span_of(size_t bytes)
{
    return kg_arena_cost(bytes) + kg_arena_cost(bytes / 16 + 1);
}

/* Memory from the region, or from the heap if the region is full. */
static uint8_t *find_memory(size_t bytes)
{
    static bool poisoned;
    void *memory;
    if (!poisoned) {
        ASAN_POISON_MEMORY_REGION(region, REGION);
        poisoned = true;
    }
    if (bytes > REGION || span_of(bytes) > REGION - next) {
        promise(posix_memalign(&memory, KG_ARENA_ALIGN, bytes ? bytes : 1) == 0);
        return memory;
    }
    memory = region + next;
    ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
    next += span_of(bytes);
    return memory;
}

static void give_back(const struct piece *piece)
{
    if (in_region(piece->memory)) {
        ASAN_POISON_MEMORY_REGION(piece->memory, kg_arena_cost(piece->bytes));
    } else {
        free(piece->memory);
    }
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
    promise(n_pieces < MOST_PIECES);
    if (n_pieces == 0 && next - kept > REST) {
        next = kept;
    }
    uint8_t *memory = memset(find_memory(bytes), 0, bytes);
    pieces[n_pieces++] = (struct piece){.arena = arena, .at = at, .memory = memory, .bytes = bytes};
    return memory;
}

void *kg_arena_array(struct kg_arena *arena, size_t count, size_t each)
{
    return kg_arena_take(arena, kg_arena_times(count, each));
}

void checked_arena_learn(struct checked_pieces *learnt, const struct kg_arena *arena, size_t used)
{
    learnt->n = 0;
    learnt->cost = arena->used - used;
    for (size_t i = 0; i < n_pieces; i++) {
        const struct piece *piece = &pieces[i];
        if (piece->arena == arena && piece->at >= used) {
            promise(in_region(piece->memory) && learnt->n < sizeof learnt->piece / sizeof learnt->piece[0]);
            uint8_t *copy = malloc(piece->bytes + 1);
            promise(copy);
            memcpy(copy, piece->memory, piece->bytes);
            learnt->piece[learnt->n++] = (struct checked_piece){piece->at - used, piece->memory, copy, piece->bytes};
        }
    }
    kept = next; /* permanent: never reused */
}

void checked_arena_repeat(const struct checked_pieces *learnt, struct kg_arena *arena)
{
    promise(learnt->cost <= arena->size - arena->used && n_pieces + learnt->n <= MOST_PIECES);
    for (size_t i = 0; i < learnt->n; i++) {
        const struct checked_piece *piece = &learnt->piece[i];
        ASAN_UNPOISON_MEMORY_REGION(piece->memory, piece->bytes);
        memcpy(piece->memory, piece->copy, piece->bytes);
        pieces[n_pieces++] = (struct piece){arena, arena->used + piece->at, piece->memory, piece->bytes};
    }
    arena->used += learnt->cost;
}

void checked_arena_free(void)
{
    while (n_pieces) {
        give_back(&pieces[--n_pieces]);
    }
    next = kept;
}

void checked_arena_keep(void)
{
    n_pieces = 0;
    kept = next;
}

void kg_arena_rewind(struct kg_arena *arena, size_t used)
{
    size_t n = 0;
    for (size_t i = 0; i < n_pieces; i++) {
        if (pieces[i].arena == arena && pieces[i].at >= used) {
            give_back(&pieces[i]);
        } else {
            pieces[n++] = pieces[i];
        }
    }
    n_pieces = n;
    if (used < arena->used) {
        arena->used = used;
    }
}
