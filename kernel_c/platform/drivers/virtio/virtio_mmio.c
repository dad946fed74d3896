/* The virtio transport in registers that no bus describes: see transport.h. QEMU's microvm has it, and small monitors
 * of virtual machines. (Virtio 1.1, 4.2.) */
#include "kgpt/mmio.h"
#include "transport.h"

enum mmio_field {
    MMIO_VERSION = 0x004,
    MMIO_DEVICE_FEATURES = 0x010,
    MMIO_DEVICE_FEATURES_SELECT = 0x014,
    MMIO_DRIVER_FEATURES = 0x020,
    MMIO_DRIVER_FEATURES_SELECT = 0x024,
    MMIO_QUEUE_SELECT = 0x030,
    MMIO_QUEUE_MOST = 0x034,
    MMIO_QUEUE_SIZE = 0x038,
    MMIO_QUEUE_READY = 0x044,
    MMIO_NOTIFY = 0x050,
    MMIO_STATUS = 0x070,
    MMIO_QUEUE_ADDRESSES = 0x080, /* descriptors, available, used: 64 bits each, 16 bytes apart */
    MMIO_CONFIG = 0x100,
};

#define MMIO_MODERN 2u /* the version; 1 is virtio 0.9 */
#define MMIO_STATUS_BITS 0xFFu

static bool find_mmio_registers(struct kg_virtio *v)
{
    const struct kg_bar *bar = &v->device->bars[0];
    volatile uint8_t *registers = bar->size >= MMIO_CONFIG ? kg_device_map(v->device, 0) : NULL;
    if (!registers || kg_mmio_read32(registers + MMIO_VERSION) != MMIO_MODERN) {
        return false;
    }
    v->common = registers;
    v->config = registers + MMIO_CONFIG;
    v->config_size = bar->size - MMIO_CONFIG;
    return true;
}

static uint8_t read_mmio_status(const struct kg_virtio *v)
{
    return (uint8_t)(kg_mmio_read32(v->common + MMIO_STATUS) & MMIO_STATUS_BITS);
}

static void write_mmio_status(const struct kg_virtio *v, uint8_t status)
{
    kg_mmio_write32(v->common + MMIO_STATUS, status);
}

static uint32_t read_mmio_features(const struct kg_virtio *v, uint32_t word)
{
    kg_mmio_write32(v->common + MMIO_DEVICE_FEATURES_SELECT, word);
    return kg_mmio_read32(v->common + MMIO_DEVICE_FEATURES);
}

static void accept_mmio_features(const struct kg_virtio *v, uint32_t word, uint32_t features)
{
    kg_mmio_write32(v->common + MMIO_DRIVER_FEATURES_SELECT, word);
    kg_mmio_write32(v->common + MMIO_DRIVER_FEATURES, features);
}

static uint16_t select_mmio_queue(const struct kg_virtio *v, uint16_t index)
{
    kg_mmio_write32(v->common + MMIO_QUEUE_SELECT, index);
    uint32_t most = kg_mmio_read32(v->common + MMIO_QUEUE_MOST);
    return most < UINT16_MAX ? (uint16_t)most : UINT16_MAX;
}

static volatile uint8_t *enable_mmio_queue(const struct kg_virtio *v, uint16_t size, const void *const parts[3])
{
    kg_mmio_write32(v->common + MMIO_QUEUE_SIZE, size);
    for (uint32_t i = 0; i < 3; i++) {
        uint64_t address = plat_dma_address(parts[i]);
        kg_mmio_write32(v->common + MMIO_QUEUE_ADDRESSES + 16 * i, (uint32_t)address);
        kg_mmio_write32(v->common + MMIO_QUEUE_ADDRESSES + 16 * i + 4, (uint32_t)(address >> 32));
    }
    kg_mmio_write32(v->common + MMIO_QUEUE_READY, 1);
    return v->common + MMIO_NOTIFY;
}

const struct kg_virtio_transport kg_virtio_mmio = {
    .find = find_mmio_registers,
    .status = read_mmio_status,
    .set_status = write_mmio_status,
    .offered = read_mmio_features,
    .accept = accept_mmio_features,
    .select_queue = select_mmio_queue,
    .enable_queue = enable_mmio_queue,
    .wide_doorbell = true,
};
