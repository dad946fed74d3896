/* The drivers of this kernel. */
#ifndef KGPT_DRIVERS_TABLE_H
#define KGPT_DRIVERS_TABLE_H

#include "kgpt/device.h"

/* For a class code, or, where that is 0, for a vendor's device. */
struct kg_driver_row {
    uint16_t vendor, device;
    uint32_t class_code;
    const struct kg_driver *driver;
};

extern const struct kg_driver_row kg_drivers[]; /* the last one has no driver */

#endif
