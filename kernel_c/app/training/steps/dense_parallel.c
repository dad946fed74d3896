#include "dense_parallel.h"

#include "kgpt/platform.h"

struct shared_work {
    struct kg_dense *dense;
    uint32_t workers; /* that have memory; other processors have nothing to do */
};

static void run_shared(struct shared_work *work, void (*share)(void *context, uint32_t worker, uint32_t workers))
{
    if (work->workers > 1) {
        plat_parallel(share, work);
    } else {
        share(work, 0, 1);
    }
}

static void share_gradients(void *context, uint32_t worker, uint32_t workers)
{
    const struct shared_work *work = context;
    uint32_t chunk;
    (void)workers;
    while (worker < work->workers && kg_dense_take(work->dense, &chunk)) {
        kg_dense_gradients(work->dense, chunk, worker);
    }
}

static void share_sum(void *context, uint32_t worker, uint32_t workers)
{
    kg_dense_sum(((const struct shared_work *)context)->dense, worker, workers);
}

static void share_update(void *context, uint32_t worker, uint32_t workers)
{
    kg_dense_update(((const struct shared_work *)context)->dense, worker, workers);
}

static void share_pack(void *context, uint32_t worker, uint32_t workers)
{
    kg_dense_pack(((const struct shared_work *)context)->dense, worker, workers);
}

static void share_eval(void *context, uint32_t worker, uint32_t workers)
{
    const struct shared_work *work = context;
    uint32_t block;
    (void)workers;
    while (worker < work->workers && kg_dense_eval_take(work->dense, &block)) {
        kg_dense_eval_block(work->dense, block, worker);
    }
}

double kg_dense_parallel_step(struct kg_dense *dense, uint32_t workers)
{
    struct shared_work work = {dense, workers};
    kg_dense_begin(dense);
    run_shared(&work, share_gradients);
    run_shared(&work, share_sum);
    run_shared(&work, share_update);
    run_shared(&work, share_pack);
    return kg_dense_end(dense);
}

double kg_dense_parallel_eval(struct kg_dense *dense, uint32_t workers)
{
    struct shared_work work = {dense, workers};
    kg_dense_eval_begin(dense);
    run_shared(&work, share_eval);
    return kg_dense_eval_end(dense);
}
