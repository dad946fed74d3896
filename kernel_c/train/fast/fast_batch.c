/* Which documents a step takes, and the tree they make.
 *
 * What the model computes at a position depends on the tokens up to there and on nothing behind. Names of one batch
 * often begin alike (with BOS, all of them), so equal beginnings are one row: a sixth to a quarter of the positions of
 * 16 names are spared, forward and backward, and the result is that of doing them one by one. */
#include "fast.h"
#include "kgpt/random.h"

#define KG_ORDER_STREAM 2 /* of the seed: this one for the first epoch, then the ones after it */

/* 0 <= result < n, by the high half of a product: its bias, n / 2^64, is not noticeable. */
static uint32_t random_below(struct kg_random *random, uint32_t n)
{
    return (uint32_t)(((unsigned __int128)kg_random_next(random) * n) >> 64);
}

/* The order of an epoch follows from the seed and its number alone, so that a training can go on anywhere. */
static void shuffle_epoch(struct kg_fast *trainer, uint64_t epoch)
{
    struct kg_random random;
    uint32_t n = trainer->corpus->n_documents;
    kg_random_seed(&random, trainer->settings.seed, KG_ORDER_STREAM + epoch);
    for (uint32_t i = 0; i < n; i++) {
        trainer->order[i] = i;
    }
    for (uint32_t i = n; i-- > 1;) {
        uint32_t j = random_below(&random, i + 1), kept = trainer->order[i];
        trainer->order[i] = trainer->order[j];
        trainer->order[j] = kept;
    }
    trainer->order_epoch = epoch;
}

/* Documents are drawn from all over memory: ask for all of a batch before waiting for the first. */
static void prefetch_batch(const struct kg_fast *trainer)
{
    const struct kg_corpus *corpus = trainer->corpus;
    for (uint32_t i = 0; i < trainer->settings.batch; i++) {
        __builtin_prefetch(corpus->tokens + corpus->start[trainer->batch[i]]);
    }
}

/* Every document once in a random order, then again in another one. */
void kg_fast_choose(struct kg_fast *trainer)
{
    const uint64_t n = trainer->corpus->n_documents, first = trainer->steps_done * trainer->settings.batch;
    for (uint32_t i = 0; i < trainer->settings.batch; i++) {
        uint64_t epoch = (first + i) / n;
        if (epoch != trainer->order_epoch) {
            shuffle_epoch(trainer, epoch);
        }
        trainer->batch[i] = trainer->order[(first + i) % n];
    }
    prefetch_batch(trainer);
}

void kg_fast_rows_begin(struct kg_fast_rows *rows)
{
    rows->n = 0;
    rows->n_documents = 0;
    rows->n_targets = 0;
}

static uint32_t add_row(struct kg_fast_rows *rows, uint32_t token, uint32_t pos, const uint32_t *path)
{
    uint32_t row = rows->n++;
    rows->token[row] = token;
    rows->pos[row] = pos;
    rows->path[row] = path;
    rows->child[row] = rows->sibling[row] = 0;
    rows->weight[row] = 0;
    return row;
}

/* The row of this token behind `parent`: found or made. */
static uint32_t step_down(struct kg_fast_rows *rows, uint32_t parent, uint32_t token, const uint32_t *path)
{
    uint32_t child = rows->child[parent];
    while (child && rows->token[child] != token) {
        child = rows->sibling[child];
    }
    if (!child) {
        child = add_row(rows, token, rows->pos[parent] + 1, path);
        rows->sibling[child] = rows->child[parent];
        rows->child[parent] = child;
    }
    return child;
}

/* The document counts `weight` in the loss, shared equally by its positions. */
void kg_fast_rows_add(struct kg_fast_rows *rows, const struct kg_corpus *corpus, uint32_t document, uint32_t n_ctx,
                      float weight)
{
    const uint32_t *tokens = corpus->tokens + corpus->start[document];
    uint32_t length = corpus->start[document + 1] - corpus->start[document];
    uint32_t n = length + 1 < n_ctx ? length + 1 : n_ctx, row = 0;
    uint32_t *path = rows->paths + (size_t)rows->n_documents++ * n_ctx;
    weight /= (float)n;
    for (uint32_t pos = 0; pos < n; pos++) {
        if (pos > 0) {
            row = step_down(rows, row, tokens[pos - 1], path);
        } else if (rows->n == 0) {
            row = add_row(rows, corpus->bos_id, 0, path);
        }
        path[pos] = row;
        rows->weight[row] += weight;
        rows->target_row[rows->n_targets] = row;
        rows->target[rows->n_targets] = pos < length ? tokens[pos] : corpus->bos_id;
        rows->target_weight[rows->n_targets++] = weight;
    }
}

void kg_fast_rows_end(struct kg_fast_rows *rows)
{
    rows->padded = (rows->n + KG_FAST_LANES - 1) / KG_FAST_LANES * KG_FAST_LANES;
    rows->stride = rows->padded / KG_FAST_LANES % 2 ? rows->padded : rows->padded + KG_FAST_LANES;
    for (uint32_t row = rows->n; row < rows->padded; row++) {
        rows->weight[row] = 0;
    }
}
