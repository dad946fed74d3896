/* The frequency of the TSC in Hz; 0: unknown. See tsc.c. */
#ifndef KGPT_X86_64_TSC_H
#define KGPT_X86_64_TSC_H

#include <stdbool.h>
#include <stdint.h>

/* A counter with a known rate. It counts up and wraps to 0 after `mask`. */
struct kg_counter {
    uint64_t hz;
    uint32_t mask;
    uint32_t (*read)(void);
};

uint64_t kg_tsc_from_cpuid(void);
uint64_t kg_tsc_from_hypervisor(void);
uint64_t kg_tsc_from_base(void);
uint64_t
kg_tsc_measure(bool (*open)(struct kg_counter *counter)); /* `open` returns false if the counter does not exist */

/* True if two frequencies differ by at most one part in this many. */
bool kg_tsc_agree(uint64_t a, uint64_t b, uint64_t parts);

#endif
