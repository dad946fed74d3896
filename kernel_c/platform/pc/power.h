/* The power button. */
#ifndef KGPT_PC_POWER_H
#define KGPT_PC_POWER_H

#include <stdbool.h>

/* True if the button was pressed since the last call. The first call takes the button over from the firmware, which
 * would power off at once. */
bool kg_power_pressed(void);

#endif
