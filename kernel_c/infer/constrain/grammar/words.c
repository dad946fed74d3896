/* One of many texts, as a tree of their beginnings: a text has then few ways at once through a long list. See
 * build.h. */
#include "build.h"

#include "kgpt/mem.h"

#define WORDS_DEPTH 24u /* of the tree: it is made by recursion */

static bool word_is_before(const struct kg_builder *b, const struct kg_expr *x, const struct kg_expr *y)
{
    int order = memcmp(b->bytes + x->first, b->bytes + y->first, x->n < y->n ? x->n : y->n);
    return order != 0 ? order < 0 : x->n < y->n;
}

static void sink_word(struct kg_builder *b, struct kg_expr *heap, uint32_t root, uint32_t n)
{
    for (uint32_t child; (child = 2 * root + 1) < n; root = child) {
        child += child + 1 < n && word_is_before(b, &heap[child], &heap[child + 1]);
        if (!word_is_before(b, &heap[root], &heap[child])) {
            return;
        }
        struct kg_expr moving = heap[root];
        heap[root] = heap[child];
        heap[child] = moving;
    }
}

static void sort_words(struct kg_builder *b, struct kg_expr *words, uint32_t n)
{
    for (uint32_t i = n / 2; i > 0; i--) {
        sink_word(b, words, i - 1, n);
    }
    for (uint32_t end = n; end > 1; end--) {
        struct kg_expr largest = words[0];
        words[0] = words[end - 1];
        words[end - 1] = largest;
        sink_word(b, words, 0, end - 1);
    }
}

/* The bytes of a word behind its first `at`. */
static uint32_t rest_of_word(struct kg_builder *b, uint32_t word, uint32_t at, uint32_t n)
{
    return kg_build_span(b, b->exprs[word].first + at, n);
}

/* Bytes that the first and the last of sorted words share, and so all of them. */
static uint32_t shared_bytes(const struct kg_builder *b, uint32_t first, uint32_t last)
{
    const struct kg_expr *x = &b->exprs[first], *y = &b->exprs[last];
    uint32_t n = 0;
    while (n < x->n && n < y->n && b->bytes[x->first + n] == b->bytes[y->first + n]) {
        n++;
    }
    return n;
}

/* One of the sorted words from `first` to before `end`, behind their first `at` bytes, which they share. */
static uint32_t branch_words(struct kg_builder *b, uint32_t first, uint32_t end, uint32_t at, uint32_t depth)
{
    uint32_t shared = shared_bytes(b, first, end - 1);
    if (b->full || shared == b->exprs[end - 1].n) { /* one word, or equal ones */
        return rest_of_word(b, first, at, b->exprs[first].n - at);
    }
    uint32_t list = kg_build_list(b, KG_EXPR_SEQUENCE), choice = kg_build_list(b, KG_EXPR_CHOICE);
    kg_build_append(b, list, rest_of_word(b, first, at, shared - at));
    kg_build_append(b, list, choice);
    for (uint32_t i = first, next; i < end && !b->full; i = next) {
        bool over = b->exprs[i].n == shared;
        for (next = i + 1; next < end && depth < WORDS_DEPTH; next++) {
            const struct kg_expr *word = &b->exprs[next];
            bool same =
                over ? word->n == shared : b->bytes[word->first + shared] == b->bytes[b->exprs[i].first + shared];
            if (!same) {
                break;
            }
        }
        kg_build_append(b, choice,
                        depth < WORDS_DEPTH ? branch_words(b, i, next, shared, depth + 1)
                                            : rest_of_word(b, i, shared, b->exprs[i].n - shared));
    }
    return list;
}

uint32_t kg_build_words(struct kg_builder *b, uint32_t first, uint32_t n)
{
    if (b->full) {
        return 0;
    }
    sort_words(b, &b->exprs[first], n);
    return branch_words(b, first, first + n, 0, 0);
}
