/* Interrupts on the first processor: they store input while it works, and wake it while it sleeps. */
#ifndef KGPT_VIRT_IDLE_H
#define KGPT_VIRT_IDLE_H

#include "facts/facts.h"
#include "platform/common/machine.h"

void kg_idle_init(const struct kg_facts *facts); /* keeps `facts` */

#endif
