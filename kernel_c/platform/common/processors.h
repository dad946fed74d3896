/* The other processors, however an architecture finds and starts them: their memory, their answers, their numbers. */
#ifndef KGPT_COMMON_PROCESSORS_H
#define KGPT_COMMON_PROCESSORS_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/cpu.h"
#include "kgpt/platform.h"
#include "parallel.h"
#include "processor.h"

#define KG_PROCESSORS_MOST 256u

/* At the start of the last page of the processor's own memory, whose rest is the architecture's. */
struct kg_processor {
    struct kg_worker worker; /* its id is the architecture's */
    uint32_t state;
};

void kg_processors_init(const struct kg_cpu *first); /* at boot: the first processor's features, which are kept */

/* On the first processor, in this order. */

/* Allocates the memory of `most` others. Returns the problem, or NULL. */
const char *kg_processors_take(uint32_t most, struct kg_arena *arena);

/* The next one. The two stacks are above unmapped pages. NULL: there is no memory for page tables. */
struct kg_processor *kg_processors_add(uint32_t id);

uint32_t kg_processors_added(void);
struct kg_processor *kg_processors_at(uint32_t i); /* the i-th that was added, from 0 */

bool kg_processors_have_answered(uint32_t i); /* the i-th, or with kg_processors_added() all of them */

/* Waits at most a second for their answers. Those that have answered are used; the others are given up: one that starts
 * later halts. Sets `started` and `note`. */
void kg_processors_count(struct kg_cpus *result);

/* On a processor that has started: works for ever if it is `good` and like the first one, and in time. */
_Noreturn void kg_processor_work(struct kg_processor *own, bool good);

struct kg_stacks kg_processors_stacks(const struct kg_processor *processor); /* NULL: of the first processor */

#endif
