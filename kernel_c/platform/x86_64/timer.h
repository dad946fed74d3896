/* The clock: see timer.c. */
#ifndef KGPT_X86_64_TIMER_H
#define KGPT_X86_64_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/device.h" /* plat_delay_us */

/* A counter that runs at a known rate, upwards, and begins again at 0 after `mask`. */
struct kg_counter {
    uint64_t hz;
    uint32_t mask;
    uint32_t (*read)(void);
};

/* One for each kind of timer, hpet.c, pmtimer.c and pit.c: makes it count. False where there is none; whether what seems to be there counts is
 * for the caller to find out. */
bool kg_hpet_open(struct kg_counter *counter);
bool kg_pmtimer_open(struct kg_counter *counter);
bool kg_pit_open(struct kg_counter *counter);

#endif
