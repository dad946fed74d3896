/* Virtio 1.0 over PCI: what its drivers share, a transport (virtio_pci.c) and split queues (virtqueue.c). (Virtual
 * I/O Device 1.1.) */
#ifndef KGPT_DRIVERS_VIRTIO_H
#define KGPT_DRIVERS_VIRTIO_H

#include "kgpt/device.h"

/* The first member of a driver's state. */
struct kg_virtio {
    struct kg_device *device;
    volatile uint8_t *common, *notify, *config; /* config: the device's own fields, NULL if it has none */
    uint64_t notify_size, config_size;
    uint32_t notify_multiplier;
};

/* A range of memory that the device reads or writes. */
struct kg_virtio_buffer {
    const void *memory;
    uint32_t size;
};

struct kg_virtqueue_entry;
struct kg_virtqueue {
    volatile uint8_t *doorbell;
    uint16_t index, size;               /* size: descriptors, a power of two */
    uint16_t first_free, n_free;        /* descriptors */
    uint16_t seen;                      /* chains that the device gave back, modulo 2^16 */
    struct kg_virtqueue_entry *entries; /* what the driver remembers of each descriptor: the device does not see it */
    struct kg_virtqueue_descriptor *descriptors;
    volatile uint16_t *available; /* flags, index, ring */
    volatile uint16_t *used;      /* flags, index, then pairs of 32 bits: descriptor, bytes written */
};

/* Resets the device, lets it master the bus, and agrees on those of `features` that it offers, which are returned in
 * *features. NULL, or what is wrong. Then the driver makes its queues, and calls kg_virtio_run. */
const char *kg_virtio_start(struct kg_virtio *virtio, struct kg_device *device, uint64_t *features);
void kg_virtio_run(struct kg_virtio *virtio);
void kg_virtio_stop(
    struct kg_device *device); /* as kg_driver.stop of a driver whose state begins with struct kg_virtio */

/* Queue number `index` of the device, with at most `most` descriptors (a power of two, at most 128). NULL, or what
 * is wrong. */
const char *kg_virtqueue_init(struct kg_virtqueue *queue, const struct kg_virtio *virtio, uint16_t index,
                              uint16_t most);

/* Hands a chain to the device: `n_read` buffers that it reads, then `n_written` that it writes. Returns the chain's
 * number, or -1: the queue is full. The device looks at it after kg_virtqueue_notify. */
int kg_virtqueue_add(struct kg_virtqueue *queue, const struct kg_virtio_buffer *buffers, uint32_t n_read,
                     uint32_t n_written);
void kg_virtqueue_notify(const struct kg_virtqueue *queue);

#define KG_VIRTQUEUE_NONE (-1)
#define KG_VIRTQUEUE_BROKEN (-2) /* what the device says cannot be: it has to be stopped */

/* The number of a chain that the device has finished with, and how many bytes it wrote; or one of the above. Never
 * waits. */
int kg_virtqueue_take(struct kg_virtqueue *queue, uint32_t *written);

#endif
