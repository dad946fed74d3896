/* The virtio transport over PCI: see transport.h. Four capabilities locate its structures in the BARs. (Virtio 1.1,
 * 4.1.4.) */
#include "kgpt/mmio.h"
#include "platform/drivers/bus/pci.h"
#include "transport.h"

enum capability_field { TYPE = 3, BAR = 4, OFFSET = 8, LENGTH = 12, MULTIPLIER = 16, CAPABILITY_END = 20 };
enum capability_type { COMMON_CONFIG = 1, NOTIFY = 2, DEVICE_CONFIG = 4 };

enum common_field {
    DEVICE_FEATURE_SELECT = 0x00,
    DEVICE_FEATURE = 0x04,
    DRIVER_FEATURE_SELECT = 0x08,
    DRIVER_FEATURE = 0x0C,
    DEVICE_STATUS = 0x14,
    QUEUE_SELECT = 0x16,
    QUEUE_SIZE = 0x18,
    QUEUE_ENABLE = 0x1C,
    QUEUE_NOTIFY_OFF = 0x1E,
    QUEUE_ADDRESSES = 0x20, /* descriptors, available, used: 64 bits each */
    COMMON_END = 0x38,
};

/* Address of a capability's structure; NULL if it is not inside a BAR. */
static volatile uint8_t *map_structure(struct kg_device *device, uint32_t at, uint64_t *size)
{
    uint32_t address = device->pci.address, bar = plat_pci_read(address, at + BAR, 1);
    uint64_t offset = plat_pci_read(address, at + OFFSET, 4);
    *size = plat_pci_read(address, at + LENGTH, 4);
    if (bar >= KG_PCI_BARS || offset % 4 != 0 || offset + *size > device->bars[bar].size) {
        return NULL;
    }
    volatile uint8_t *registers = kg_device_map(device, bar);
    return registers ? registers + offset : NULL;
}

/* Uses the first valid structure of each kind. */
static bool find_structures(struct kg_virtio *v)
{
    struct kg_device *device = v->device;
    uint32_t at;
    for (uint32_t n = 0; (at = kg_pci_capability(&device->pci, KG_PCI_VENDOR, n)) != 0; n++) {
        uint32_t type = at + CAPABILITY_END <= 256 ? plat_pci_read(device->pci.address, at + TYPE, 1) : 0;
        bool wanted = (type == COMMON_CONFIG && !v->common) || (type == NOTIFY && !v->notify) ||
                      (type == DEVICE_CONFIG && !v->config);
        uint64_t size = 0;
        volatile uint8_t *structure = wanted ? map_structure(device, at, &size) : NULL;
        if (type == COMMON_CONFIG && structure && size >= COMMON_END) {
            v->common = structure;
        } else if (type == NOTIFY && structure) {
            v->notify = structure;
            v->notify_size = size;
            v->notify_multiplier = plat_pci_read(device->pci.address, at + MULTIPLIER, 4);
        } else if (type == DEVICE_CONFIG && structure) {
            v->config = structure;
            v->config_size = size;
        }
    }
    return v->common && v->notify;
}

static uint8_t read_pci_status(const struct kg_virtio *v)
{
    return kg_mmio_read8(v->common + DEVICE_STATUS);
}

static void write_pci_status(const struct kg_virtio *v, uint8_t status)
{
    kg_mmio_write8(v->common + DEVICE_STATUS, status);
}

static uint32_t read_pci_features(const struct kg_virtio *v, uint32_t word)
{
    kg_mmio_write32(v->common + DEVICE_FEATURE_SELECT, word);
    return kg_mmio_read32(v->common + DEVICE_FEATURE);
}

static void accept_pci_features(const struct kg_virtio *v, uint32_t word, uint32_t features)
{
    kg_mmio_write32(v->common + DRIVER_FEATURE_SELECT, word);
    kg_mmio_write32(v->common + DRIVER_FEATURE, features);
}

static uint16_t select_pci_queue(const struct kg_virtio *v, uint16_t index)
{
    kg_mmio_write16(v->common + QUEUE_SELECT, index);
    return kg_mmio_read16(v->common + QUEUE_SIZE);
}

static volatile uint8_t *enable_pci_queue(const struct kg_virtio *v, uint16_t size, const void *const parts[3])
{
    uint64_t doorbell = (uint64_t)kg_mmio_read16(v->common + QUEUE_NOTIFY_OFF) * v->notify_multiplier;
    if (doorbell % 2 != 0 || doorbell + 2 > v->notify_size) {
        return NULL;
    }
    kg_mmio_write16(v->common + QUEUE_SIZE, size);
    for (uint32_t i = 0; i < 3; i++) {
        uint64_t address = plat_dma_address(parts[i]);
        kg_mmio_write32(v->common + QUEUE_ADDRESSES + 8 * i, (uint32_t)address);
        kg_mmio_write32(v->common + QUEUE_ADDRESSES + 8 * i + 4, (uint32_t)(address >> 32));
    }
    kg_mmio_write16(v->common + QUEUE_ENABLE, 1);
    return v->notify + doorbell;
}

const struct kg_virtio_transport kg_virtio_pci = {
    .find = find_structures,
    .status = read_pci_status,
    .set_status = write_pci_status,
    .offered = read_pci_features,
    .accept = accept_pci_features,
    .select_queue = select_pci_queue,
    .enable_queue = enable_pci_queue,
};
