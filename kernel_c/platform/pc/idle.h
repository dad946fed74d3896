/* Interrupts on the first processor: they store input while it works, and wake it while it sleeps. */
#ifndef KGPT_PC_IDLE_H
#define KGPT_PC_IDLE_H

#include "platform/common/machine.h"

/* True after it has turned out that interrupts do not arrive. */
bool kg_idle_is_deaf(void);

#endif
