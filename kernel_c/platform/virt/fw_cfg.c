#include "fw_cfg.h"

#include "kgpt/device.h"
#include "kgpt/mmio.h"
#include "kgpt/str.h"

enum { DATA = 0, SELECTOR = 8, DMA_ADDRESS = 16 };

#define KEY_SIGNATURE 0x0000u
#define KEY_FEATURES 0x0001u
#define KEY_DIRECTORY 0x0019u
#define SIGNATURE 0x51454D55u /* "QEMU" */
#define FEATURE_DMA 2u
#define NAME_SIZE 56u
#define MOST_FILES 1024u

#define DMA_ERROR 1u
#define DMA_SELECT 8u
#define DMA_WRITE 16u
#define MAX_SPINS 1000000u

/* Numbers are big-endian. */
struct command {
    uint32_t control, size;
    uint64_t address;
};

static void select_key(const struct kg_range *registers, uint32_t key)
{
    kg_mmio_write16((volatile uint8_t *)registers->base + SELECTOR, __builtin_bswap16((uint16_t)key));
}

/* The next number of the selected item. */
static uint32_t next_number(const struct kg_range *registers, uint32_t bytes)
{
    uint32_t value = 0;
    while (bytes-- > 0) {
        value = value << 8 | kg_mmio_read8((const volatile uint8_t *)registers->base + DATA);
    }
    return value;
}

static bool has_dma(const struct kg_range *registers)
{
    if (registers->size < DMA_ADDRESS + sizeof(uint64_t)) {
        return false;
    }
    select_key(registers, KEY_SIGNATURE);
    if (next_number(registers, 4) != SIGNATURE) {
        return false;
    }
    select_key(registers, KEY_FEATURES); /* this number alone is little-endian */
    return __builtin_bswap32(next_number(registers, 4)) & FEATURE_DMA;
}

uint32_t kg_fw_cfg_find(const struct kg_range *registers, const char *name, uint32_t size)
{
    char found[NAME_SIZE];
    if (!has_dma(registers)) {
        return 0;
    }
    select_key(registers, KEY_DIRECTORY);
    uint32_t n = next_number(registers, 4), right = 0;
    for (uint32_t i = 0; i < n && i < MOST_FILES && !right; i++) {
        uint32_t own_size = next_number(registers, 4), key = next_number(registers, 4) >> 16;
        for (uint32_t at = 0; at < NAME_SIZE; at++) {
            found[at] = (char)next_number(registers, 1);
        }
        found[NAME_SIZE - 1] = '\0';
        right = own_size == size && kg_streq(found, name) ? key : 0;
    }
    return right;
}

bool kg_fw_cfg_write(const struct kg_range *registers, uint32_t key, const void *bytes, uint32_t size)
{
    static struct command command __attribute__((aligned(16)));
    uint64_t at = plat_dma_address(&command);
    command.size = __builtin_bswap32(size);
    command.address = __builtin_bswap64(plat_dma_address(bytes));
    command.control = __builtin_bswap32(key << 16 | DMA_SELECT | DMA_WRITE);
    kg_dma_barrier();
    kg_mmio_write32((volatile uint8_t *)registers->base + DMA_ADDRESS, __builtin_bswap32((uint32_t)(at >> 32)));
    kg_mmio_write32((volatile uint8_t *)registers->base + DMA_ADDRESS + 4, __builtin_bswap32((uint32_t)at));
    const volatile uint32_t *control = &command.control;
    for (uint32_t spins = 0; spins < MAX_SPINS && (*control & ~__builtin_bswap32(DMA_ERROR)); spins++) {
    }
    return *control == 0;
}
