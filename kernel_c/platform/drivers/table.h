/* The drivers of this kernel. */
#ifndef KGPT_DRIVERS_TABLE_H
#define KGPT_DRIVERS_TABLE_H

#include "kgpt/device.h"

extern const struct kg_driver_row kg_drivers[]; /* the last one has no driver */

#endif
