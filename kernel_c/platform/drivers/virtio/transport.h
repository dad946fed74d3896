/* The interface between virtqueues and the transport. */
#ifndef KGPT_DRIVERS_VIRTIO_TRANSPORT_H
#define KGPT_DRIVERS_VIRTIO_TRANSPORT_H

#include "virtio.h"

/* Selects a queue. Returns its maximum number of descriptors; 0: no such queue. */
uint16_t kg_virtio_queue_size(const struct kg_virtio *virtio, uint16_t index);

/* Enables the selected queue; its parts are descriptors, available ring and used ring. Returns the address for
 * notifications; NULL: none. */
volatile uint8_t *kg_virtio_enable_queue(const struct kg_virtio *virtio, uint16_t size, const void *const parts[3]);

#endif
