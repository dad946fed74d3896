/* Percentiles and a histogram of durations. */
#ifndef KGPT_APP_SUMMARY_H
#define KGPT_APP_SUMMARY_H

#include <stddef.h>
#include <stdint.h>

/* The histogram's bars: durations up to so many thousandths of the median, and one bar for longer ones. */
#define KG_JITTER_BOUNDS 11
#define KG_JITTER_BARS (KG_JITTER_BOUNDS + 1)
extern const uint64_t kg_jitter_bounds[KG_JITTER_BOUNDS];

struct kg_summary {
    uint64_t n;
    uint64_t min, p50, p99, p999, max; /* in the unit of the durations; 0 if there are none */
    uint64_t counts[KG_JITTER_BARS];   /* durations of each bar */
};

/* The smallest value that at least `thousandths` of the `n` ascending values do not exceed (nearest rank). */
uint64_t kg_percentile(const uint64_t *ascending, size_t n, uint32_t thousandths);

/* Sorts the durations in place. */
void kg_summary_make(struct kg_summary *summary, uint64_t *durations, size_t n);

#endif
