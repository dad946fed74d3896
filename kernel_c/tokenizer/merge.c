/* Merges adjacent symbols in order of rank: see merge.h.
 *
 * The heap holds (rank << 32 | left symbol) for every pair ever seen. Entries are not removed when a pair changes.
 * An entry is stale if its rank differs from the current rank of its left symbol. If both ranks are equal by chance,
 * the current pair has the same place in the order, so the entry is valid. */
#include "merge.h"

struct heap {
    uint64_t *items;
    size_t n;
};

static void push_pair(struct heap *heap, uint64_t item)
{
    size_t i = heap->n++;
    while (i > 0 && heap->items[(i - 1) / 2] > item) {
        heap->items[i] = heap->items[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap->items[i] = item;
}

static uint64_t pop_pair(struct heap *heap)
{
    uint64_t least = heap->items[0], item = heap->items[--heap->n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        child += child + 1 < heap->n && heap->items[child + 1] < heap->items[child];
        if (child >= heap->n || heap->items[child] >= item) {
            break;
        }
        heap->items[i] = heap->items[child];
        i = child;
    }
    heap->items[i] = item;
    return least;
}

/* Ranks the pair of symbol `left` and the next one, and pushes it. */
static void see_pair(const struct kg_merger *merger, struct heap *heap, uint32_t left)
{
    if (left == KG_NO_SYMBOL) {
        return;
    }
    struct kg_symbol *symbol = &merger->symbols[left];
    symbol->pair = symbol->next == KG_NO_SYMBOL ? KG_NO_PAIR
                                                : merger->rank(merger->context, symbol, &merger->symbols[symbol->next]);
    if (symbol->pair != KG_NO_PAIR) {
        push_pair(heap, (uint64_t)symbol->pair << 32 | left);
    }
}

static void join_symbols(const struct kg_merger *merger, uint32_t left)
{
    struct kg_symbol *symbol = &merger->symbols[left], *gone = &merger->symbols[symbol->next];
    merger->join(merger->context, symbol, gone);
    symbol->next = gone->next;
    gone->pair = KG_NO_PAIR;
    if (gone->next != KG_NO_SYMBOL) {
        merger->symbols[gone->next].prev = left;
    }
}

void kg_merge(const struct kg_merger *merger, uint32_t n)
{
    struct heap heap = {.items = merger->heap};
    for (uint32_t i = 0; i < n; i++) {
        merger->symbols[i].prev = i ? i - 1 : KG_NO_SYMBOL;
        merger->symbols[i].next = i + 1 < n ? i + 1 : KG_NO_SYMBOL;
    }
    for (uint32_t i = 0; i < n; i++) {
        see_pair(merger, &heap, i);
    }
    while (heap.n) {
        uint64_t best = pop_pair(&heap);
        uint32_t left = (uint32_t)best;
        if (merger->symbols[left].pair == best >> 32) {
            join_symbols(merger, left);
            see_pair(merger, &heap, merger->symbols[left].prev);
            see_pair(merger, &heap, left);
        }
    }
}
