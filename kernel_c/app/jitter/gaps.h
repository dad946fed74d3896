/* Gaps in which something else ran on a processor. A loop reads the clock. Two reads are tens of nanoseconds apart,
 * unless an interrupt, an SMI, a VM exit or another process comes between them. */
#ifndef KGPT_APP_GAPS_H
#define KGPT_APP_GAPS_H

#include <stdbool.h>
#include <stdint.h>

struct kg_gaps {
    uint64_t ticks;   /* duration of the loop */
    uint64_t reads;   /* of the clock */
    uint64_t n;       /* gaps of at least the threshold */
    uint64_t stolen;  /* ticks of these gaps */
    uint64_t longest; /* ticks */
} __attribute__((aligned(64)));

/* Reads the clock for `ticks` ticks, or until `*stop` is true if `stop` is not NULL. */
void kg_gaps_watch(struct kg_gaps *gaps, uint64_t ticks, uint64_t threshold, const bool *stop);

#endif
