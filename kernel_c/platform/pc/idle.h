/* Interrupts on the first processor: input is taken in while it works, and wakes it while it waits. */
#ifndef KGPT_PC_IDLE_H
#define KGPT_PC_IDLE_H

#include <stdbool.h>

/* Interrupts are on from now on, where the machine has what that needs: called by whoever looks for input. Not at once, since a run that
 * is over in no time shall not wait for timers. */
void kg_idle_listen(void);

/* Sleeps until something interrupts, at most 10 ms, where the machine can wake it again; or a moment. */
void kg_idle(void);

/* True where it has turned out that nothing can interrupt. */
bool kg_idle_is_deaf(void);

#endif
