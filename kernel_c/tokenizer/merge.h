/* Merging of symbols: joins the adjacent pair of lowest rank, the leftmost of equal ones, until no pair has a rank.
 * O(n log n) for any text. */
#ifndef KGPT_TOKENIZER_MERGE_H
#define KGPT_TOKENIZER_MERGE_H

#include <stddef.h>
#include <stdint.h>

#define KG_NO_SYMBOL UINT32_MAX
#define KG_NO_PAIR UINT32_MAX

struct kg_symbol {
    uint32_t prev, next; /* KG_NO_SYMBOL at the ends */
    uint32_t value, n;   /* for the caller: identifies the symbol */
    uint32_t pair;       /* rank of the pair with the next symbol, lower is better; KG_NO_PAIR: none */
};

struct kg_merger {
    struct kg_symbol *symbols; /* (n): `value` and `n` are set. Afterwards the result is the list from 0 by `next` */
    uint64_t *heap;            /* (2n) */
    const void *context;
    uint32_t (*rank)(const void *context, const struct kg_symbol *left, const struct kg_symbol *right);
    void (*join)(const void *context, struct kg_symbol *left, const struct kg_symbol *right);
};

#define KG_MERGE_HEAP(n) (2 * (n)) /* each of n - 1 joins pops a pair and pushes at most two */

void kg_merge(const struct kg_merger *merger, uint32_t n);

#endif
