/* The devices of this machine, for the platform: see kgpt/device.h for what drivers are given. */
#ifndef KGPT_DRIVERS_DEVICES_H
#define KGPT_DRIVERS_DEVICES_H

#include "kgpt/device.h"

/* At the end of a run: no device writes to memory any more. */
void kg_devices_stop(void);

#endif
