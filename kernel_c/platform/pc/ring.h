/* Bytes of a device, from whoever reads its port (interrupts are off there) to plat_read: each side moves an end of its own. */
#ifndef KGPT_X86_64_RING_H
#define KGPT_X86_64_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/platform.h"

#define KG_RING_SIZE 4096u /* at 115200 baud a third of a second, and a minute of somebody who types */

struct kg_ring {
    volatile uint32_t in, out; /* how many bytes ever came, and went */
    uint8_t bytes[KG_RING_SIZE];
};

static inline bool kg_ring_is_full(const struct kg_ring *ring)
{
    return ring->in - ring->out == KG_RING_SIZE;
}

static inline void kg_ring_put(struct kg_ring *ring, uint8_t byte)
{
    ring->bytes[ring->in % KG_RING_SIZE] = byte;
    ring->in++;
}

/* KG_READ_NONE: it is empty. */
static inline int kg_ring_take(struct kg_ring *ring)
{
    if (ring->in == ring->out) {
        return KG_READ_NONE;
    }
    uint8_t byte = ring->bytes[ring->out % KG_RING_SIZE];
    ring->out++;
    return byte;
}

#endif
