/* Timers whose rate is known: see clock.c. */
#ifndef KGPT_PC_CLOCK_H
#define KGPT_PC_CLOCK_H

#include "platform/x86_64/tsc.h"

/* For each kind of timer (hpet.c, pmtimer.c, pit.c): starts it. Returns false if it is absent. The caller must check
 * that the counter advances. */
bool kg_hpet_open(struct kg_counter *counter);
bool kg_pmtimer_open(struct kg_counter *counter);
bool kg_pit_open(struct kg_counter *counter);

#endif
