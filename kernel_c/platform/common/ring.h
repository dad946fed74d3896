/* A ring of received bytes, from the port's reader (with interrupts off) to plat_read. Each side changes only its
 * own index. */
#ifndef KGPT_COMMON_RING_H
#define KGPT_COMMON_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/platform.h"

#define KG_RING_SIZE 4096u /* a third of a second at 115200 baud, or a minute of typing */

struct kg_ring {
    volatile uint32_t in, out; /* total bytes stored and fetched */
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

/* KG_READ_NONE if empty. */
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
