/* How fast is it here? */
#ifndef KGPT_APP_BENCH_H
#define KGPT_APP_BENCH_H

#include "kgpt.h"

/* Measures sampled tokens at full context for a quarter of a second (or a fixed number where no clock is known), and
 * prints the speed. Ctrl-C ends it early. */
void kg_bench_run(struct kgpt *k);

#endif
