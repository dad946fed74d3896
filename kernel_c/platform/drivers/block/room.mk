BARE_DRIVERS += \
    platform/drivers/block/ahci.c \
    platform/drivers/block/ahci_drive.c \
    platform/drivers/block/ahci_port.c \
    platform/drivers/block/block.c \
    platform/drivers/block/nvme.c \
    platform/drivers/block/nvme_disks.c \
    platform/drivers/block/nvme_queue.c
