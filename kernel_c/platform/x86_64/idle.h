/* How the first processor waits for somebody to type. */
#ifndef KGPT_X86_64_IDLE_H
#define KGPT_X86_64_IDLE_H

#include <stdbool.h>
#include <stdint.h>

/* Sleeps, where the machine can wake it again, for at most so many microseconds, up to 10,000; or a moment. */
void kg_idle(uint32_t us);

extern volatile bool kg_timer_woke; /* the timer has interrupted (isr.S) */

#endif
