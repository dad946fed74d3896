/* Interrupts on the first processor: they store input while it works, and wake it while it sleeps. */
#ifndef KGPT_PC_IDLE_H
#define KGPT_PC_IDLE_H

#include <stdbool.h>

/* Enables interrupts if the machine supports it. The first poll for input calls it, not the boot, so that a short
 * run does not wait for timer calibration. */
void kg_idle_listen(void);

/* Sleeps until an interrupt, at most 10 ms, if the machine can wake up; otherwise pauses briefly. */
void kg_idle(void);

/* True after it has turned out that interrupts do not arrive. */
bool kg_idle_is_deaf(void);

#endif
