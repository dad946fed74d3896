/* platform/pc/pci_config.c on a simulated PC, for ctypes: ports, tables, registers. */
#include "../../kernel_c/platform/x86_64/io.h"

#include <stddef.h>

static uint32_t fake_in(uint16_t port, uint32_t size);
static void fake_out(uint16_t port, uint32_t size, uint32_t value);
static void fake_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[4]);
#define kg_inb(port) ((uint8_t)fake_in(port, 1))
#define kg_inw(port) ((uint16_t)fake_in(port, 2))
#define kg_inl(port) fake_in(port, 4)
#define kg_outb(port, value) fake_out(port, 1, value)
#define kg_outw(port, value) fake_out(port, 2, value)
#define kg_outl(port, value) fake_out(port, 4, value)
#define kg_cpuid fake_cpuid
#include "../../kernel_c/platform/pc/pci_config.c"

#define CONFIG 256u

struct machine {
    const uint8_t *tables; /* at `base`, starting with the root pointer; NULL: no tables */
    uint64_t base, size;
    uint8_t *function; /* configuration space of bus 0, device 0, function 0, through ports; NULL: no ports */
    uint64_t hypervisor;
    uint64_t ram_from, ram_to;
    uint64_t unmappable;                    /* an address that cannot be mapped */
    uint64_t registers[4][2];               /* address, value */
    uint64_t latch, n_mapped, mapped[8][2]; /* the last value at port 0xCF8; addresses and sizes that were mapped */
};

static struct machine *machine;

static uint32_t fake_in(uint16_t port, uint32_t size)
{
    uint32_t value = UINT32_MAX >> (32 - 8 * size), at = (uint32_t)(machine->latch & 0xFC) + (port & 3);
    if (port == PCI_ADDRESS && machine->function) {
        return (uint32_t)machine->latch;
    }
    if (port >= PCI_DATA && port < PCI_DATA + 4 && machine->function && (machine->latch & ~0xFFull) == PCI_ENABLE) {
        __builtin_memcpy(&value, machine->function + at, size);
    }
    return value;
}

static void fake_out(uint16_t port, uint32_t size, uint32_t value)
{
    uint32_t at = (uint32_t)(machine->latch & 0xFC) + (port & 3);
    if (port == PCI_ADDRESS) {
        machine->latch = value;
    } else if (machine->function && (machine->latch & ~0xFFull) == PCI_ENABLE) {
        __builtin_memcpy(machine->function + at, &value, size);
    }
}

static void fake_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[4])
{
    (void)subleaf;
    r[0] = r[1] = r[3] = 0;
    r[2] = leaf == 1 && machine->hypervisor ? CPUID1_ECX_HYPERVISOR : 0;
}

static const void *read_tables(void *context, uint64_t address, uint64_t size)
{
    (void)context;
    bool there = address >= machine->base && size <= machine->size && address - machine->base <= machine->size - size;
    return there ? machine->tables + (address - machine->base) : NULL;
}

const struct kg_acpi *kg_firmware_tables(const char **problem)
{
    static const struct kg_acpi_memory memory = {read_tables, NULL};
    static struct kg_acpi acpi;
    *problem = machine->tables ? kg_acpi_open(&acpi, machine->base, &memory) : "there are none";
    return *problem ? NULL : &acpi;
}

bool kg_firmware_is_ram(uint64_t from, uint64_t to)
{
    return from < machine->ram_to && machine->ram_from < to;
}

bool kg_map_device(uint64_t base, uint64_t size, bool combining)
{
    if (combining || base == machine->unmappable || machine->n_mapped == 8) {
        return false;
    }
    machine->mapped[machine->n_mapped][0] = base;
    machine->mapped[machine->n_mapped++][1] = size;
    return true;
}

static uint64_t *find_register(uint64_t address)
{
    for (uint32_t i = 0; i < 4; i++) {
        if (machine->registers[i][0] == address) {
            return &machine->registers[i][1];
        }
    }
    return NULL;
}

bool kg_register_usable(const struct kg_acpi_register *r, uint32_t size)
{
    return size == 4 && r->space == KG_ACPI_MEMORY && find_register(r->address);
}

uint32_t kg_register_read(const struct kg_acpi_register *r, uint32_t size)
{
    (void)size;
    return (uint32_t)*find_register(r->address);
}

/* Number of bus ranges; the first four are stored in `ranges`. */
uint32_t driver_ranges(struct machine *m, struct kg_pci_buses out[4]);
uint32_t driver_ranges(struct machine *m, struct kg_pci_buses out[4])
{
    uint32_t n = 0;
    struct kg_pci_buses buses;
    machine = m;
    n_ranges = 0;
    opened = false;
    while (plat_pci_buses(n, &buses)) {
        out[n++ % 4] = buses;
    }
    return n;
}

const char *driver_dma_problem(struct machine *m);
const char *driver_dma_problem(struct machine *m)
{
    machine = m;
    return plat_dma_problem();
}
