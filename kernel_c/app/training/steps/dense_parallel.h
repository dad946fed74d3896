/* Runs a step and a validation of a training on a running text on all processors that were started. The training's
 * settings alone decide how the work is cut, so the number of processors does not change the result. */
#ifndef KGPT_APP_DENSE_PARALLEL_H
#define KGPT_APP_DENSE_PARALLEL_H

#include "kgpt/train_dense.h"

/* `workers`: settings.workers of the training, at most the processors of plat_parallel. */
double kg_dense_parallel_step(struct kg_dense *dense, uint32_t workers);
double kg_dense_parallel_eval(struct kg_dense *dense, uint32_t workers);

#endif
