/* One row for each kind of device that a driver knows. A new driver adds its own here, and its source to its room's
 * list, room.mk. */
#include "table.h"

#include "platform/drivers/virtio/virtio.h"

const struct kg_driver_row kg_drivers[] = {
    {.vendor = KG_VIRTIO_VENDOR, .device = 0x1005, .driver = &kg_virtio_rng}, /* transitional: virtio 0.9 too */
    {.vendor = KG_VIRTIO_VENDOR, .device = 0x1044, .driver = &kg_virtio_rng},
    {0},
};
