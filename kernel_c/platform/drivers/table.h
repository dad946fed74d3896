/* The drivers of this kernel. */
#ifndef KGPT_DRIVERS_TABLE_H
#define KGPT_DRIVERS_TABLE_H

#include "kgpt/device.h"

/* By class code, or by vendor and device if the class code is 0. */
struct kg_driver_row {
    uint16_t vendor, device;
    uint32_t class_code;
    const struct kg_driver *driver;
};

/* Each ended by a row without a driver. Network cards have a table of their own: kernels without language models have
 * an empty one (net/absent.c). */
extern const struct kg_driver_row kg_drivers[], kg_net_drivers[];

#endif
