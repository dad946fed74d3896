#include "channel.h"

#include "kgpt/mmio.h"

#define PCI_SERIAL 0x00021B36u /* vendor and device */
#define FUNCTION_SIZE 0x1000u
#define DEVICES 32u
#define PCI_COMMAND 0x04
#define COMMAND_PORTS 1u
#define PCI_BAR0 0x10
#define BAR_PORTS 1u
#define BAR_MASK (~3u)
#define PORTS 8u /* of the device */

#define LINE_STATUS 5u
#define TRANSMIT_EMPTY 0x20u
#define MAX_SPINS 1000000u

static volatile uint8_t *port; /* NULL: nobody listens */

/* Without firmware nothing has an address yet: the device gets the last ports of the range. */
static volatile uint8_t *open_ports(volatile uint8_t *config, const struct kg_pci_host *host)
{
    const struct kg_pci_window *ports = &host->ports;
    uint32_t bar = kg_mmio_read32(config + PCI_BAR0);
    uint64_t at = bar & BAR_MASK;
    if (!(bar & BAR_PORTS) || ports->range.size < 2 * PORTS) {
        return NULL;
    }
    if (at < ports->bus || at - ports->bus > ports->range.size - PORTS || at == 0) {
        at = ports->bus + ports->range.size - PORTS;
        kg_mmio_write32(config + PCI_BAR0, (uint32_t)at);
    }
    kg_mmio_write16(config + PCI_COMMAND, (uint16_t)(kg_mmio_read16(config + PCI_COMMAND) | COMMAND_PORTS));
    return (volatile uint8_t *)(ports->range.base + (at - ports->bus));
}

void kg_channel_init(const struct kg_pci_host *host)
{
    volatile uint8_t *bus = (volatile uint8_t *)host->ecam.base;
    for (uint32_t device = 0; host->ecam.size && !port && device < DEVICES; device++) {
        volatile uint8_t *config = bus + device * 8 * FUNCTION_SIZE;
        if (kg_mmio_read32(config) == PCI_SERIAL) {
            port = open_ports(config, host);
        }
    }
}

bool kg_channel_present(void)
{
    return port;
}

void kg_channel_write(const char *bytes, size_t n)
{
    for (size_t i = 0; port && i < n; i++) {
        for (uint32_t spins = 0; !(kg_mmio_read8(port + LINE_STATUS) & TRANSMIT_EMPTY); spins++) {
            if (spins == MAX_SPINS) { /* nobody reads: drop what follows rather than hang */
                port = NULL;
                return;
            }
        }
        kg_mmio_write8(port, (uint8_t)bytes[i]);
    }
}
