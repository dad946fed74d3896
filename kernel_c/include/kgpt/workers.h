/* Parallel execution for code below the application: by the platform's processors, or by the caller alone. The code
 * takes this interface and does not call the platform. */
#ifndef KGPT_WORKERS_H
#define KGPT_WORKERS_H

#include <stdint.h>

typedef void kg_work(void *context, uint32_t worker, uint32_t workers);

struct kg_workers {
    void (*run)(kg_work *work, void *context); /* plat_parallel, or NULL: work(context, 0, 1) */
};

static inline void kg_workers_run(const struct kg_workers *workers, kg_work *work, void *context)
{
    if (workers && workers->run) {
        workers->run(work, context);
    } else {
        work(context, 0, 1);
    }
}

#endif
