/* Between the queues and the transport. */
#ifndef KGPT_DRIVERS_VIRTIO_TRANSPORT_H
#define KGPT_DRIVERS_VIRTIO_TRANSPORT_H

#include "virtio.h"

/* Selects a queue, and says how many descriptors it may have; 0: there is no such queue. */
uint16_t kg_virtio_queue_size(const struct kg_virtio *virtio, uint16_t index);

/* Switches the selected queue on; its parts are descriptors, available and used. Returns where to write its index
 * when something was added; NULL: nowhere. */
volatile uint8_t *kg_virtio_enable_queue(const struct kg_virtio *virtio, uint16_t size, const void *const parts[3]);

#endif
