/* Waiting: see timer.c. */
#ifndef KGPT_X86_64_TIMER_H
#define KGPT_X86_64_TIMER_H

#include <stdint.h>

void kg_delay_us(uint32_t us); /* at least so long */

#endif
