/* Access to device registers: one access of exactly the given width; and the memory barrier for DMA. Hosted tests
 * replace this header by tests/hosted/mmio.h. */
#ifndef KGPT_MMIO_H
#define KGPT_MMIO_H

#include <stdint.h>

static inline uint8_t kg_mmio_read8(const volatile uint8_t *at)
{
    return *at;
}

static inline uint16_t kg_mmio_read16(const volatile uint8_t *at)
{
    return *(const volatile uint16_t *)at;
}

static inline uint32_t kg_mmio_read32(const volatile uint8_t *at)
{
    return *(const volatile uint32_t *)at;
}

static inline void kg_mmio_write8(volatile uint8_t *at, uint8_t value)
{
    *at = value;
}

static inline void kg_mmio_write16(volatile uint8_t *at, uint16_t value)
{
    *(volatile uint16_t *)at = value;
}

static inline void kg_mmio_write32(volatile uint8_t *at, uint32_t value)
{
    *(volatile uint32_t *)at = value;
}

/* Full memory fence: earlier writes to DMA memory become visible before later accesses, and later reads are not
 * reordered before it. */
static inline void kg_dma_barrier(void)
{
#ifdef __aarch64__
    __asm__ volatile("dmb sy" : : : "memory"); /* a fence orders memory for processors alone */
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

#endif
