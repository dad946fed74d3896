/* The devices of this machine, for the platform; kgpt/device.h is the contract for drivers. */
#ifndef KGPT_DRIVERS_DEVICES_H
#define KGPT_DRIVERS_DEVICES_H

#include "kgpt/device.h"

/* True if a disk that works and is not `but` has this name. */
bool kg_block_named(const char *name, const struct kg_unit *but);

/* At the end of a run: stops all DMA. */
void kg_devices_stop(void);

#endif
