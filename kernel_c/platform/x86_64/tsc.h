/* The frequency of the TSC, in Hz; 0: not known. See tsc.c. */
#ifndef KGPT_X86_64_TSC_H
#define KGPT_X86_64_TSC_H

#include <stdbool.h>
#include <stdint.h>

/* A counter that runs at a known rate, upwards, and begins again at 0 after `mask`. */
struct kg_counter {
    uint64_t hz;
    uint32_t mask;
    uint32_t (*read)(void);
};

uint64_t kg_tsc_from_cpuid(void);
uint64_t kg_tsc_from_hypervisor(void);
uint64_t kg_tsc_from_base(void);
uint64_t kg_tsc_measure(bool (*open)(struct kg_counter *counter)); /* `open` is false where there is no such counter */

/* Do two frequencies differ by at most one part of so many? */
bool kg_tsc_agree(uint64_t a, uint64_t b, uint64_t parts);

#endif
