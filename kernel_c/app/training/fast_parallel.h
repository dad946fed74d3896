/* A training's step and its validation on all processors that were started. How the work is cut follows from the training's
 * settings alone, so the results do not depend on how many there are. */
#ifndef KGPT_APP_FAST_PARALLEL_H
#define KGPT_APP_FAST_PARALLEL_H

#include "kgpt/train_fast.h"

#define KG_EVAL_WORKERS 16u /* at most: each has memory of its own for it */

double kg_fast_parallel_step(struct kg_fast *fast, uint32_t workers);

/* The mean loss over all documents of `corpus`. */
double kg_fast_parallel_eval(struct kg_fast *fast, uint32_t workers, const struct kg_corpus *corpus);

#endif
