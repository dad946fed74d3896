/* Faults on purpose in which smp.c lends a hand. */
#ifndef KGPT_X86_64_FAULT_H
#define KGPT_X86_64_FAULT_H

#include <stdint.h>

uint32_t kg_fault_deaf(void); /* how many of the processors shall not be started, but waited for: 0 or 1 */

#endif
