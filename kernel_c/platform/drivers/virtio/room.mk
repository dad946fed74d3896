BARE_DRIVERS += \
    platform/drivers/virtio/blk.c \
    platform/drivers/virtio/input.c \
    platform/drivers/virtio/rng.c \
    platform/drivers/virtio/virtio.c \
    platform/drivers/virtio/virtio_mmio.c \
    platform/drivers/virtio/virtio_pci.c \
    platform/drivers/virtio/virtqueue.c
BARE_NET += platform/drivers/virtio/net.c
