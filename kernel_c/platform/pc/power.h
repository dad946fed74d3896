/* The button that a person presses to end the run. */
#ifndef KGPT_X86_64_POWER_H
#define KGPT_X86_64_POWER_H

#include <stdbool.h>

/* Was it pressed since the last time? The first call takes it away from the firmware, which would switch off at once. */
bool kg_power_pressed(void);

#endif
