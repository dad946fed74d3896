/* Replaces kgpt/mmio.h, so that a device driver runs in a process with registers that the test implements. */
#ifndef KGPT_MMIO_H
#define KGPT_MMIO_H

#include <stdint.h>

typedef uint64_t read_register_fn(uint64_t address, uint32_t size);
typedef void write_register_fn(uint64_t address, uint32_t size, uint64_t value);

static read_register_fn *read_register;
static write_register_fn *write_register;

static inline uint8_t kg_mmio_read8(const volatile uint8_t *at)
{
    return (uint8_t)read_register((uintptr_t)at, 1);
}

static inline uint16_t kg_mmio_read16(const volatile uint8_t *at)
{
    return (uint16_t)read_register((uintptr_t)at, 2);
}

static inline uint32_t kg_mmio_read32(const volatile uint8_t *at)
{
    return (uint32_t)read_register((uintptr_t)at, 4);
}

static inline void kg_mmio_write8(volatile uint8_t *at, uint8_t value)
{
    write_register((uintptr_t)at, 1, value);
}

static inline void kg_mmio_write16(volatile uint8_t *at, uint16_t value)
{
    write_register((uintptr_t)at, 2, value);
}

static inline void kg_mmio_write32(volatile uint8_t *at, uint32_t value)
{
    write_register((uintptr_t)at, 4, value);
}

static inline void kg_dma_barrier(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif
