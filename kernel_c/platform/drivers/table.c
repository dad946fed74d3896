/* One row for each kind of device that a driver knows. A new driver adds its own here, and its source to kernel.mk's list. */
#include "table.h"

#include "platform/drivers/virtio/virtio.h"

const struct kg_driver_row kg_drivers[] = {
    {KG_VIRTIO_VENDOR, 0x1005, KG_PCI_NO_CLASS, &kg_virtio_rng}, /* transitional: it speaks virtio 0.9 too */
    {KG_VIRTIO_VENDOR, 0x1044, KG_PCI_NO_CLASS, &kg_virtio_rng},
    {0},
};
