/* The time of day. */
#ifndef KGPT_VIRT_CLOCK_H
#define KGPT_VIRT_CLOCK_H

#include "facts/facts.h"

void kg_clock_init(const struct kg_facts *facts); /* its registers are mapped */

#endif
