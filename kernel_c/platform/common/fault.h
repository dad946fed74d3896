/* Deliberate faults that the start of other processors supports. */
#ifndef KGPT_COMMON_FAULT_H
#define KGPT_COMMON_FAULT_H

#include <stdint.h>

uint32_t kg_fault_deaf(void); /* number of processors to leave unstarted, so that their answer times out: 0 or 1 */

/* A started processor calls it before it works: `fault=cpu` breaks it there. */
void kg_fault_on_processor(void);

#endif
