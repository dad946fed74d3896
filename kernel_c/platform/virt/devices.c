/* Without firmware no device has an address, and no bridge a number for the bus behind it: BARs get addresses when they
 * are sized, and devices behind bridges are not found. Firmware has used the windows in a way that is not known. */
#include "devices.h"

#include "kgpt/device.h"
#include "kgpt/mmio.h"
#include "kgpt/str.h"
#include "platform/common/processor.h"

#define ALL_ONES UINT32_MAX
#define FUNCTION_SHIFT 12
#define PART 4 /* a BAR gets at most this part of a window */

static const struct kg_boot *boot;
static const struct kg_facts *facts;
static uint64_t used32, used64; /* bytes of the windows */

void kg_virt_devices_init(const struct kg_boot *from, const struct kg_facts *found)
{
    boot = from;
    facts = found;
}

bool plat_pci_buses(uint32_t i, struct kg_pci_buses *buses)
{
    const struct kg_pci_host *host = &facts->pci;
    if (i > 0 || host->ecam.size == 0) {
        return false;
    }
    *buses = (struct kg_pci_buses){.first = host->first, .last = host->last};
    return true;
}

static volatile uint8_t *ecam_place(uint32_t address, uint32_t offset)
{
    const struct kg_pci_host *host = &facts->pci;
    uint64_t at = (uint64_t)(address - ((uint32_t)host->first << 8)) << FUNCTION_SHIFT;
    return (volatile uint8_t *)(host->ecam.base + at + offset);
}

uint32_t plat_pci_read(uint32_t address, uint32_t offset, uint32_t size)
{
    volatile uint8_t *at = ecam_place(address, offset);
    return size == 1 ? kg_mmio_read8(at) : size == 2 ? kg_mmio_read16(at) : kg_mmio_read32(at);
}

void plat_pci_write(uint32_t address, uint32_t offset, uint32_t size, uint32_t value)
{
    volatile uint8_t *at = ecam_place(address, offset);
    if (size == 1) {
        kg_mmio_write8(at, (uint8_t)value);
    } else if (size == 2) {
        kg_mmio_write16(at, (uint16_t)value);
    } else {
        kg_mmio_write32(at, value);
    }
}

/* Only windows that the bus and the processor see at the same address are used. */
static uint64_t place_in_window(const struct kg_pci_window *window, uint64_t *used, uint64_t size)
{
    uint64_t at = (window->bus + *used + size - 1) & ~(size - 1);
    if (window->range.base != window->bus || size > window->range.size / PART ||
        at - window->bus > window->range.size - size) {
        return 0;
    }
    *used = at + size - window->bus;
    return at;
}

uint64_t plat_pci_place(uint64_t size, bool wide)
{
    if (kg_streq(boot->loader, "uefi")) {
        return 0;
    }
    uint64_t at = place_in_window(&facts->pci.memory32, &used32, size);
    return at || !wide ? at : place_in_window(&facts->pci.memory64, &used64, size);
}

volatile uint8_t *plat_map(uint64_t base, uint64_t size)
{
    bool good = base + size > base && !kg_boot_is_ram(boot, base, base + size) && kg_map_device(base, size, false);
    return good ? (volatile uint8_t *)base : NULL;
}

bool plat_virtio_registers(uint32_t i, struct kg_bar *bar)
{
    if (i >= facts->n_virtio) {
        return false;
    }
    *bar = (struct kg_bar){.base = facts->virtio[i].base, .size = facts->virtio[i].size};
    return true;
}

const char *plat_dma_problem(void)
{
    return facts->pci.ecam.size && !facts->pci.coherent ? "devices of this machine do not see the processor's caches"
                                                        : NULL;
}
