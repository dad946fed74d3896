/* Speed measurement of a microgpt. */
#ifndef KGPT_APP_BENCH_H
#define KGPT_APP_BENCH_H

#include "app/kgpt.h"

/* Samples tokens at full context for a quarter of a second (a fixed number without a clock), and prints the speed.
 * Ctrl-C ends it early. */
void kg_bench_run(struct kgpt *k);

#endif
