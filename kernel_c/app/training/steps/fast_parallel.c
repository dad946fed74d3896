#include "fast_parallel.h"

#include "kgpt/platform.h"

#define EVAL_BLOCKS 64u      /* into which the documents are cut, at most */
#define EVAL_BLOCK_LEAST 16u /* documents: as many as are computed at once */

/* Each worker starts with its own chunks, which are in its cache since the last step, and then takes chunks of slower
 * workers. */
static void compute_gradients(void *context, uint32_t worker, uint32_t workers)
{
    struct kg_fast *fast = context;
    uint32_t n = kg_fast_chunks(fast), first = (uint32_t)((uint64_t)n * worker / workers);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t chunk = i < n - first ? first + i : i - (n - first);
        if (kg_fast_take(fast, chunk)) {
            kg_fast_gradients(fast, chunk);
        }
    }
}

static void update_parts(void *context, uint32_t worker, uint32_t workers)
{
    struct kg_fast *fast = context;
    uint32_t parts = kg_fast_parts(fast, workers);
    if (worker < parts) {
        kg_fast_update(fast, worker, parts);
    }
}

/* A step takes some ten microseconds, so wake other CPUs only if there is work for them. */
double kg_fast_parallel_step(struct kg_fast *fast, uint32_t workers)
{
    kg_fast_begin(fast);
    if (workers > 1 && kg_fast_chunks(fast) > 1) {
        plat_parallel(compute_gradients, fast);
    } else {
        compute_gradients(fast, 0, 1);
    }
    if (kg_fast_parts(fast, workers) > 1) {
        plat_parallel(update_parts, fast);
    } else {
        update_parts(fast, 0, 1);
    }
    return kg_fast_end(fast);
}

struct evaluation {
    struct kg_fast *fast;
    const struct kg_corpus *corpus;
    uint32_t n_blocks;
    uint32_t next;              /* the next free block */
    double losses[EVAL_BLOCKS]; /* sums, by block */
};

static uint32_t first_of_block(const struct evaluation *e, uint32_t block)
{
    return (uint32_t)((uint64_t)e->corpus->n_documents * block / e->n_blocks);
}

static void evaluate_blocks(void *context, uint32_t worker, uint32_t workers)
{
    struct evaluation *e = context;
    (void)workers;
    if (worker >= KG_EVAL_WORKERS) {
        return;
    }
    for (;;) {
        uint32_t block = __atomic_fetch_add(&e->next, 1, __ATOMIC_RELAXED);
        if (block >= e->n_blocks) {
            return;
        }
        uint32_t first = first_of_block(e, block), count = first_of_block(e, block + 1) - first;
        e->losses[block] = kg_fast_eval(e->fast, worker, e->corpus, first, count) * count;
    }
}

double kg_fast_parallel_eval(struct kg_fast *fast, uint32_t workers, const struct kg_corpus *corpus)
{
    struct evaluation e = {.fast = fast, .corpus = corpus};
    double sum = 0;
    e.n_blocks = (corpus->n_documents + EVAL_BLOCK_LEAST - 1) / EVAL_BLOCK_LEAST;
    e.n_blocks = e.n_blocks < EVAL_BLOCKS ? e.n_blocks : EVAL_BLOCKS;
    if (workers > 1) {
        plat_parallel(evaluate_blocks, &e);
    } else {
        evaluate_blocks(&e, 0, 1);
    }
    for (uint32_t i = 0; i < e.n_blocks; i++) {
        sum += e.losses[i];
    }
    return corpus->n_documents ? sum / corpus->n_documents : 0;
}
