/* Virtio 1.0, shared by its drivers: negotiation (virtio.c) over a transport (transport.h), and split virtqueues
 * (virtqueue.c). (Virtual I/O Device 1.1.) */
#ifndef KGPT_DRIVERS_VIRTIO_H
#define KGPT_DRIVERS_VIRTIO_H

#include "kgpt/device.h"

struct kg_virtio_transport;

/* The first member of a driver's state. */
struct kg_virtio {
    struct kg_device *device;
    const struct kg_virtio_transport *transport;
    volatile uint8_t *common, *config; /* config: device-specific fields; NULL: none */
    uint64_t config_size;
    volatile uint8_t *notify; /* of PCI alone, as the two below */
    uint64_t notify_size;
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
    bool wide_doorbell;
    uint16_t index, size;               /* size: descriptors, a power of two */
    uint16_t first_free, n_free;        /* descriptors */
    uint16_t seen;                      /* chains taken from the used ring, modulo 2^16 */
    struct kg_virtqueue_entry *entries; /* the driver's data for each descriptor, which the device cannot access */
    struct kg_virtqueue_descriptor *descriptors;
    volatile uint16_t *available; /* flags, index, ring */
    volatile uint16_t *used;      /* flags, index, then pairs of 32 bits: descriptor, bytes written */
};

/* Resets the device, enables bus mastering, and negotiates the offered subset of `features`, stored in *features.
 * Returns NULL, or the problem. Then the driver creates its queues and calls kg_virtio_run. */
const char *kg_virtio_start(struct kg_virtio *virtio, struct kg_device *device, uint64_t *features);
void kg_virtio_run(struct kg_virtio *virtio);
void kg_virtio_stop(struct kg_device *device); /* kg_driver.stop of a driver whose state begins with struct kg_virtio */

/* Creates queue `index` with at most `most` descriptors (a power of two, at most 128). Returns NULL, or the problem. */
const char *kg_virtqueue_init(struct kg_virtqueue *queue, const struct kg_virtio *virtio, uint16_t index,
                              uint16_t most);

/* Adds a chain: `n_read` buffers that the device reads, then `n_written` that it writes. Returns the chain's number,
 * or -1 if the queue is full. The device sees it after kg_virtqueue_notify. */
int kg_virtqueue_add(struct kg_virtqueue *queue, const struct kg_virtio_buffer *buffers, uint32_t n_read,
                     uint32_t n_written);
void kg_virtqueue_notify(const struct kg_virtqueue *queue);

#define KG_VIRTQUEUE_NONE (-1)
#define KG_VIRTQUEUE_BROKEN (-2) /* the device violates the protocol: stop it */

/* The number of a completed chain and the bytes written to it, or one of the codes above. Does not wait. */
int kg_virtqueue_take(struct kg_virtqueue *queue, uint32_t *written);

#endif
