/* A PL031, the real-time clock of Arm's machines. */
#ifndef KGPT_VIRT_CLOCK_H
#define KGPT_VIRT_CLOCK_H

#include "facts/facts.h"

void kg_pl031_init(const struct kg_range *registers); /* size 0: there is none */

#endif
