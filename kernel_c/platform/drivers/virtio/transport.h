/* What a virtio device can be reached by: PCI (virtio_pci.c), or registers alone (virtio_mmio.c). */
#ifndef KGPT_DRIVERS_VIRTIO_TRANSPORT_H
#define KGPT_DRIVERS_VIRTIO_TRANSPORT_H

#include "virtio.h"

struct kg_virtio_transport {
    bool (*find)(struct kg_virtio *virtio); /* maps the registers; false: they make no sense */
    uint8_t (*status)(const struct kg_virtio *virtio);
    void (*set_status)(const struct kg_virtio *virtio, uint8_t status);
    uint32_t (*offered)(const struct kg_virtio *virtio, uint32_t word); /* features 32 * word to 32 * word + 31 */
    void (*accept)(const struct kg_virtio *virtio, uint32_t word, uint32_t features);
    /* Selects a queue. Returns its maximum number of descriptors; 0: no such queue. */
    uint16_t (*select_queue)(const struct kg_virtio *virtio, uint16_t index);
    /* Enables the selected queue; its parts are descriptors, available ring and used ring. Returns the address for
     * notifications; NULL: none. */
    volatile uint8_t *(*enable_queue)(const struct kg_virtio *virtio, uint16_t size, const void *const parts[3]);
    bool wide_doorbell; /* a notification is a write of 32 bits, not of 16 */
};

extern const struct kg_virtio_transport kg_virtio_pci, kg_virtio_mmio;

#endif
