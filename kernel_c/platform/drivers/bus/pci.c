/* PCI configuration space: see pci.h. Values from a function are not trusted: lists are bounded, addresses are
 * checked. */
#include "pci.h"

#include "kgpt/mmio.h"

enum offset {
    ID = 0x00,
    COMMAND = 0x04,
    STATUS = 0x06,
    CLASS = 0x08, /* after the revision byte */
    HEADER = 0x0E,
    BAR0 = 0x10,
    SECONDARY_BUS = 0x19, /* of a bridge */
    CAPABILITIES = 0x34,
};

#define COMMAND_PORTS (1u << 0)
#define COMMAND_MEMORY (1u << 1)
#define COMMAND_MASTER (1u << 2)
#define COMMAND_NO_INTERRUPT (1u << 10)
#define STATUS_CAPABILITIES (1u << 4)
#define HEADER_MANY 0x80u /* multifunction device */
#define HEADER_KIND 0x7Fu
#define HEADER_BRIDGE 1u

#define BAR_PORTS 1u
#define BAR_KIND 6u
#define BAR_64 4u
#define BAR_FLAGS 0xFu

#define GONE UINT32_MAX
#define POWER_STATE 4u          /* in the capability, a register of 16 bits */
#define POWER_OFF 3u            /* power state bits: 0 is D0, on */
#define WAKE_US 10000           /* from D3 to D0, by the specification */
#define CAPABILITIES_FROM 0x40u /* after the header */
#define CONFIG_END 256u
#define CAPABILITIES_MOST 48 /* entries of four bytes that fit after the header */

#define DEVICES 32u
#define FUNCTIONS 8u

/* True if a function responds. */
static bool read_function(uint32_t address, struct kg_pci *pci)
{
    uint32_t id = plat_pci_read(address, ID, 4);
    if ((id & 0xFFFF) == 0xFFFF || (id & 0xFFFF) == 0) {
        return false;
    }
    *pci = (struct kg_pci){address, (uint16_t)id, (uint16_t)(id >> 16), plat_pci_read(address, CLASS, 4) >> 8};
    return true;
}

/* `named` has a bit for each bus that a bridge leads to. A bridge counts only if its secondary bus has a higher
 * number, so that cycles are impossible. */
static void scan_device(uint32_t first, uint8_t named[32], void (*found)(const struct kg_pci *pci))
{
    struct kg_pci pci;
    uint32_t bus = first >> 8 & 0xFF;
    for (uint32_t address = first; address < first + FUNCTIONS; address++) {
        bool there = read_function(address, &pci);
        if (there) {
            uint32_t header = plat_pci_read(address, HEADER, 1), to = plat_pci_read(address, SECONDARY_BUS, 1);
            if ((header & HEADER_KIND) == HEADER_BRIDGE && to > bus) {
                named[to / 8] |= (uint8_t)(1u << to % 8);
            }
            found(&pci);
            there = address != first || (header & HEADER_MANY);
        }
        if (!there && address == first) {
            return; /* a single-function device */
        }
    }
}

void kg_pci_scan(bool every, void (*found)(const struct kg_pci *pci))
{
    struct kg_pci_buses buses;
    for (uint32_t i = 0; plat_pci_buses(i, &buses); i++) {
        uint8_t named[32] = {0};
        for (uint32_t bus = buses.first; bus <= buses.last; bus++) {
            bool look = bus == buses.first || every || buses.every || (named[bus / 8] >> bus % 8 & 1);
            for (uint32_t device = 0; look && device < DEVICES; device++) {
                scan_device((uint32_t)buses.segment << 16 | bus << 8 | device << 3, named, found);
            }
        }
    }
}

/* Writes ones to a register and returns the bits that stay set; restores the register. */
static uint32_t probe_bar(uint32_t address, uint32_t offset, uint32_t value)
{
    plat_pci_write(address, offset, 4, UINT32_MAX);
    uint32_t mask = plat_pci_read(address, offset, 4);
    plat_pci_write(address, offset, 4, value);
    return mask;
}

/* Sizes the i-th BAR. Returns the number of registers it occupies. */
static uint32_t size_bar(uint32_t address, uint32_t i, struct kg_bar *bar)
{
    uint32_t offset = BAR0 + 4 * i, low = plat_pci_read(address, offset, 4), high = 0, high_mask = UINT32_MAX;
    bool wide = !(low & BAR_PORTS) && (low & BAR_KIND) == BAR_64 && i + 1 < KG_PCI_BARS;
    uint32_t low_mask = probe_bar(address, offset, low);
    if (wide) {
        high = plat_pci_read(address, offset + 4, 4);
        high_mask = probe_bar(address, offset + 4, high);
    }
    uint64_t base = (uint64_t)high << 32 | (low & ~BAR_FLAGS);
    uint64_t mask = (uint64_t)high_mask << 32 | (low_mask & ~BAR_FLAGS),
             size = mask & -mask; /* the lowest writable bit */
    if (!(low & BAR_PORTS) && low_mask && size && !base && (base = plat_pci_place(size, wide))) {
        plat_pci_write(address, offset, 4, (uint32_t)base);
        if (wide) {
            plat_pci_write(address, offset + 4, 4, (uint32_t)(base >> 32));
        }
    }
    if (!(low & BAR_PORTS) && low_mask && base && size && base % size == 0 && base + size > base) {
        *bar = (struct kg_bar){.base = base, .size = size};
    }
    return wide ? 2 : 1;
}

void kg_pci_size_bars(const struct kg_pci *pci, struct kg_bar bars[KG_PCI_BARS])
{
    uint32_t command = plat_pci_read(pci->address, COMMAND, 2);
    if ((plat_pci_read(pci->address, HEADER, 1) & HEADER_KIND) != 0) {
        return; /* a bridge has fewer BARs */
    }
    plat_pci_write(pci->address, COMMAND, 2, command & ~(COMMAND_PORTS | COMMAND_MEMORY));
    for (uint32_t i = 0; i < KG_PCI_BARS;) {
        i += size_bar(pci->address, i, &bars[i]);
    }
    plat_pci_write(pci->address, COMMAND, 2, command);
}

static void change_command(const struct kg_pci *pci, uint32_t off, uint32_t on)
{
    plat_pci_write(pci->address, COMMAND, 2, (plat_pci_read(pci->address, COMMAND, 2) & ~off) | on);
}

void kg_pci_wake(const struct kg_pci *pci)
{
    uint32_t at = kg_pci_capability(pci, KG_PCI_POWER, 0) + POWER_STATE;
    uint32_t state = at > POWER_STATE && at < CONFIG_END ? plat_pci_read(pci->address, at, 2) : 0;
    if (state & POWER_OFF) {
        plat_pci_write(pci->address, at, 2, state & ~POWER_OFF);
        plat_delay_us(WAKE_US);
    }
}

void kg_pci_enable(const struct kg_pci *pci)
{
    change_command(pci, 0, COMMAND_MEMORY | COMMAND_NO_INTERRUPT);
}

void kg_device_master(struct kg_device *device, bool on)
{
    if (!device->mapped) {
        change_command(&device->pci, COMMAND_MASTER, on ? COMMAND_MASTER : 0);
    }
}

bool kg_device_gone(const struct kg_device *device)
{
    return (device->mapped ? kg_mmio_read32(device->bars[0].registers) : plat_pci_read(device->pci.address, ID, 4)) ==
           GONE;
}

uint32_t kg_pci_capability(const struct kg_pci *pci, enum kg_pci_capability id, uint32_t n)
{
    if (!(plat_pci_read(pci->address, STATUS, 2) & STATUS_CAPABILITIES)) {
        return 0;
    }
    uint32_t at = plat_pci_read(pci->address, CAPABILITIES, 1) & 0xFC;
    for (uint32_t i = 0; i < CAPABILITIES_MOST && at >= CAPABILITIES_FROM; i++) {
        if (plat_pci_read(pci->address, at, 1) == id && n-- == 0) {
            return at;
        }
        at = plat_pci_read(pci->address, at + 1, 1) & 0xFC;
    }
    return 0;
}
