/* The rows of drivers.def for network cards. */
#include "platform/drivers/table.h"

#define KG_PCI_NET(vendor, device, driver) extern const struct kg_driver driver;
#include "platform/drivers/drivers.def"

const struct kg_driver_row kg_net_drivers[] = {
#define KG_PCI_NET(vendor_id, device_id, name) {.vendor = vendor_id, .device = device_id, .driver = &name},
#include "platform/drivers/drivers.def"
    {0},
};
