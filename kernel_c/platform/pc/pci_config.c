/* PCI services of a PC (kgpt/device.h): configuration space through ECAM if the MCFG describes it, otherwise through
 * ports; registers; and detection of an IOMMU. */
#include "firmware.h"
#include "kgpt/device.h"
#include "platform/common/processor.h"
#include "platform/x86_64/io.h"

#define PCI_ADDRESS 0xCF8
#define PCI_DATA 0xCFC
#define PCI_ENABLE 0x80000000u
#define CPUID1_ECX_HYPERVISOR (1u << 31)

#define MOST_RANGES 8 /* segments of a large server */
#define BUS_SIZE 0x100000ull

#define DMAR_STATUS 0x1C
#define DMAR_TRANSLATES (1u << 31)
#define IVRS_CONTROL 0x18
#define IVRS_TRANSLATES 1u

static struct {
    volatile uint8_t *base; /* of bus 0; NULL: through ports */
    struct kg_pci_buses buses;
} ranges[MOST_RANGES];
static uint32_t n_ranges;
static bool opened;

static uint32_t read_ports(uint32_t address, uint32_t offset, uint32_t size)
{
    uint16_t port = (uint16_t)(PCI_DATA + (offset & 3));
    kg_outl(PCI_ADDRESS, PCI_ENABLE | (address & 0xFFFF) << 8 | (offset & 0xFC));
    return size == 1 ? kg_inb(port) : size == 2 ? kg_inw(port) : kg_inl(port);
}

static bool has_ports(void)
{
    uint32_t before = kg_inl(PCI_ADDRESS);
    kg_outl(PCI_ADDRESS, PCI_ENABLE);
    bool kept = kg_inl(PCI_ADDRESS) == PCI_ENABLE;
    kg_outl(PCI_ADDRESS, before);
    return kept;
}

/* Real machines have buses without a bridge that leads to them, and a probe costs a microsecond. Virtual machines
 * have none unless configured, and a probe costs ten. */
static bool look_everywhere(void)
{
    uint32_t r[4];
    kg_cpuid(1, 0, r);
    return !(r[2] & CPUID1_ECX_HYPERVISOR);
}

static void add_range(volatile uint8_t *base, uint16_t segment, uint8_t first, uint8_t last)
{
    ranges[n_ranges].base = base;
    ranges[n_ranges++].buses = (struct kg_pci_buses){segment, first, last, look_everywhere()};
}

/* An MCFG may be wrong: if the ports work, they must report the same first function. */
static bool agrees_with_ports(const struct kg_acpi_ecam *ecam, const volatile uint8_t *base)
{
    return ecam->segment || ecam->first || *(const volatile uint32_t *)base == read_ports(0, 0, 4);
}

static void open_ranges(void)
{
    const char *problem;
    const struct kg_acpi *acpi = kg_firmware_tables(&problem);
    struct kg_acpi_ecam ecam;
    bool ports = has_ports(), has_first = false;
    for (uint32_t i = 0; acpi && n_ranges < MOST_RANGES && kg_acpi_find_ecam(&ecam, acpi, i); i++) {
        uint64_t before = ecam.first * BUS_SIZE;
        volatile uint8_t *mapped =
            ecam.first <= ecam.last ? plat_map(ecam.base + before, (ecam.last + 1 - ecam.first) * BUS_SIZE) : NULL;
        if (mapped && (!ports || agrees_with_ports(&ecam, mapped))) {
            add_range(mapped - before, ecam.segment, ecam.first, ecam.last);
            has_first = has_first || (ecam.segment == 0 && ecam.first == 0);
        }
    }
    if (!has_first && ports && n_ranges < MOST_RANGES) {
        add_range(NULL, 0, 0, 255);
    }
}

bool plat_pci_buses(uint32_t i, struct kg_pci_buses *buses)
{
    if (!opened) {
        opened = true;
        open_ranges();
    }
    if (i >= n_ranges) {
        return false;
    }
    *buses = ranges[i].buses;
    return true;
}

/* Address of the register in ECAM; NULL: through ports. Addresses come from the ranges of plat_pci_buses. */
static volatile uint8_t *config_place(uint32_t address, uint32_t offset)
{
    for (uint32_t i = 0; i < n_ranges; i++) {
        const struct kg_pci_buses *buses = &ranges[i].buses;
        uint32_t bus = address >> 8 & 0xFF;
        if (buses->segment == address >> 16 && bus >= buses->first && bus <= buses->last && ranges[i].base) {
            return ranges[i].base + ((uint64_t)(address & 0xFFFF) << 12) + offset;
        }
    }
    return NULL;
}

uint32_t plat_pci_read(uint32_t address, uint32_t offset, uint32_t size)
{
    volatile uint8_t *at = config_place(address, offset);
    if (!at) {
        return read_ports(address, offset, size);
    }
    return size == 1 ? *at : size == 2 ? *(volatile uint16_t *)at : *(volatile uint32_t *)at;
}

void plat_pci_write(uint32_t address, uint32_t offset, uint32_t size, uint32_t value)
{
    volatile uint8_t *at = config_place(address, offset);
    uint16_t port = (uint16_t)(PCI_DATA + (offset & 3));
    if (!at) {
        kg_outl(PCI_ADDRESS, PCI_ENABLE | (address & 0xFFFF) << 8 | (offset & 0xFC));
    }
    if (size == 1) {
        at ? (void)(*at = (uint8_t)value) : kg_outb(port, (uint8_t)value);
    } else if (size == 2) {
        at ? (void)(*(volatile uint16_t *)at = (uint16_t)value) : kg_outw(port, (uint16_t)value);
    } else {
        at ? (void)(*(volatile uint32_t *)at = value) : kg_outl(port, value);
    }
}

/* The firmware of a PC gives addresses to all that it wants to be used. */
uint64_t plat_pci_place(uint64_t size, bool wide)
{
    (void)size;
    (void)wide;
    return 0;
}

volatile uint8_t *plat_map(uint64_t base, uint64_t size)
{
    bool good = base + size > base && !kg_firmware_is_ram(base, base + size) && kg_map_device(base, size, false);
    return good ? (volatile uint8_t *)base : NULL;
}

static bool translates_dma(uint64_t registers, uint32_t offset, uint32_t bit)
{
    struct kg_acpi_register r = {registers + offset, KG_ACPI_MEMORY};
    return kg_register_usable(&r, 4) && (kg_register_read(&r, 4) & bit);
}

const char *plat_dma_problem(void)
{
    const char *problem;
    const struct kg_acpi *acpi = kg_firmware_tables(&problem);
    uint64_t registers;
    for (uint32_t i = 0; acpi && (registers = kg_acpi_find_iommu(acpi, false, i)) != 0; i++) {
        if (translates_dma(registers, DMAR_STATUS, DMAR_TRANSLATES)) {
            return "the firmware left the IOMMU on (VT-d): switch DMA protection off in its setup";
        }
    }
    for (uint32_t i = 0; acpi && (registers = kg_acpi_find_iommu(acpi, true, i)) != 0; i++) {
        if (translates_dma(registers, IVRS_CONTROL, IVRS_TRANSLATES)) {
            return "the firmware left the IOMMU on (AMD-Vi): switch DMA protection off in its setup";
        }
    }
    return NULL;
}
