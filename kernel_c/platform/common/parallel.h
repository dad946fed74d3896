/* Sections of work that all processors execute together: see parallel.c. */
#ifndef KGPT_COMMON_PARALLEL_H
#define KGPT_COMMON_PARALLEL_H

#include <stdint.h>

/* A working processor other than the first. */
struct kg_worker {
    uint32_t id;     /* for kg_processor_wake */
    uint32_t number; /* in plat_parallel; the first processor is 0, and has no struct */
    uint32_t asleep; /* sleeping or about to sleep: it must be woken */
    uint32_t done;   /* the last section that it completed */
};

void kg_parallel_init(struct kg_worker *const *workers, uint32_t n); /* all of them are running */
_Noreturn void kg_parallel_serve(struct kg_worker *own);

#endif
