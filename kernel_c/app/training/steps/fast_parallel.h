/* Runs a training step and a validation on all processors that were started. The training's settings alone decide how
 * the work is cut, so the number of processors does not change the result. */
#ifndef KGPT_APP_FAST_PARALLEL_H
#define KGPT_APP_FAST_PARALLEL_H

#include "kgpt/train_fast.h"

#define KG_EVAL_WORKERS 16u /* at most: each needs its own memory */

double kg_fast_parallel_step(struct kg_fast *fast, uint32_t workers);

/* The mean loss over all documents of `corpus`. */
double kg_fast_parallel_eval(struct kg_fast *fast, uint32_t workers, const struct kg_corpus *corpus);

#endif
