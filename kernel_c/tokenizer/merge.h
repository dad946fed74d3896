/* Building pieces out of the smallest ones: the best pair of neighbours is joined, the leftmost of equals first, until no pair is
 * left. In time n log n, whatever the text. */
#ifndef KGPT_TOKENIZER_MERGE_H
#define KGPT_TOKENIZER_MERGE_H

#include <stddef.h>
#include <stdint.h>

#define KG_NO_SYMBOL UINT32_MAX
#define KG_NO_PAIR UINT32_MAX

struct kg_symbol {
    uint32_t prev, next; /* KG_NO_SYMBOL at the ends */
    uint32_t value, n;   /* what it is: up to who merges */
    uint32_t pair;       /* the rank of the pair that it makes with the next one, lower is better; KG_NO_PAIR if none */
};

struct kg_merger {
    struct kg_symbol *symbols; /* (n) of which `value` and `n` are set; afterwards those from 0 by `next` are left */
    uint64_t *heap;            /* (2n) */
    const void *context;
    uint32_t (*rank)(const void *context, const struct kg_symbol *left, const struct kg_symbol *right);
    void (*join)(const void *context, struct kg_symbol *left, const struct kg_symbol *right);
};

#define KG_MERGE_HEAP(n) (2 * (n)) /* each of n - 1 joins takes a pair from the heap and adds at most two */

void kg_merge(const struct kg_merger *merger, uint32_t n);

#endif
