/* All sources of kernel_c/platform/drivers, with registers that the test implements (mmio.h). A new driver is included
 * here: the tables of drivers.def name it. */
#include "mmio.h"

#include "platform/drivers/block/ahci.c"
#include "platform/drivers/block/ahci_drive.c"
#include "platform/drivers/block/ahci_port.c"
#include "platform/drivers/block/block.c"
#include "platform/drivers/block/nvme.c"
#include "platform/drivers/block/nvme_disks.c"
#include "platform/drivers/block/nvme_queue.c"
#include "platform/drivers/bus/pci.c"
#include "platform/drivers/devices.c"
#include "platform/drivers/table.c"
#include "platform/drivers/virtio/blk.c"
#include "platform/drivers/virtio/rng.c"
#include "platform/drivers/virtio/virtio_pci.c"
#include "platform/drivers/virtio/virtqueue.c"
