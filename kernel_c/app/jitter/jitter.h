/* The parts of mode=jitter. */
#ifndef KGPT_APP_JITTER_H
#define KGPT_APP_JITTER_H

#include "app/lm.h"
#include "gaps.h"
#include "summary.h"

/* Tokens decoded at the same depth, and what else ran meanwhile. */
struct kg_jitter {
    struct kgpt *k;
    uint32_t depth, n, done; /* tokens of the context before each token; to measure; measured */
    uint64_t *durations;     /* (n), in ticks */
    uint64_t *switches;      /* (n): of tasks, meanwhile */
    struct kg_gaps *gaps;    /* (processors) */
    uint64_t hz;             /* ticks per second; a guess if the clock's frequency is unknown */
    uint64_t threshold;      /* of gaps, in ticks */
    bool decoded;            /* another processor may stop watching */
    enum kg_status status;   /* of the last token */
    struct kg_error error;
    struct kg_smis {
        const char *unknown; /* why they are not counted; NULL: they are */
        uint64_t before, after;
    } smis;
};

/* Prints and sends the summary of durations of `repeats` sections each. */
void kg_jitter_report_sections(const struct kg_jitter *jitter, const struct kg_summary *summary, uint32_t repeats);

/* Prints and sends the gaps that processors `first` … found; `when`: "before", "while" or "after" the decoding. */
void kg_jitter_report_gaps(const struct kg_jitter *jitter, const char *when, uint32_t first);

/* Sends the durations in their order, sorts them, and prints and sends their summary. */
void kg_jitter_report(struct kg_jitter *jitter);

#endif
