/* Deliberate faults that smp.c supports. */
#ifndef KGPT_X86_64_FAULT_H
#define KGPT_X86_64_FAULT_H

#include <stdint.h>

uint32_t kg_fault_deaf(void); /* number of processors to leave unstarted, so that their answer times out: 0 or 1 */

#endif
