/* The rows of drivers.def. */
#include "table.h"

#define KG_PCI_ID(vendor, device, driver) extern const struct kg_driver driver;
#define KG_PCI_CLASS(class_code, driver) extern const struct kg_driver driver;
#include "drivers.def"

const struct kg_driver_row kg_drivers[] = {
#define KG_PCI_ID(vendor_id, device_id, name) {.vendor = vendor_id, .device = device_id, .driver = &name},
#define KG_PCI_CLASS(code, name) {.class_code = code, .driver = &name},
#include "drivers.def"
    {0},
};
