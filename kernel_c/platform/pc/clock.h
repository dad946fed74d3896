/* Timers whose rate is known: see clock.c. */
#ifndef KGPT_PC_CLOCK_H
#define KGPT_PC_CLOCK_H

#include "platform/x86_64/tsc.h"

/* One for each kind of timer, hpet.c, pmtimer.c and pit.c: makes it count. False where there is none; whether what seems to be there
 * counts is for the caller to find out. */
bool kg_hpet_open(struct kg_counter *counter);
bool kg_pmtimer_open(struct kg_counter *counter);
bool kg_pit_open(struct kg_counter *counter);

#endif
