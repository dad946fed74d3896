/* Sections of work that all processors do at once: see parallel.c. */
#ifndef KGPT_COMMON_PARALLEL_H
#define KGPT_COMMON_PARALLEL_H

#include <stdint.h>

/* A processor that works, besides the first one. */
struct kg_worker {
    uint32_t id;     /* for kg_processor_wake */
    uint32_t number; /* in plat_parallel; the first processor is 0, and has no such struct */
    uint32_t asleep; /* or about to be: it has to be woken */
    uint32_t done;   /* the last section that it has worked in */
};

void kg_parallel_init(struct kg_worker *const *workers, uint32_t n); /* all of them are running */
_Noreturn void kg_parallel_serve(struct kg_worker *own);

#endif
