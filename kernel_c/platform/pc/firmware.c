#include "firmware.h"

#include "platform/common/memory.h"
#include "platform/x86_64/io.h"
#include "platform/x86_64/paging.h"

#define PCI_ADDRESS 0xCF8
#define PCI_DATA 0xCFC
#define PCI_ENABLE 0x80000000u

static const struct kg_boot *boot;

void kg_firmware_init(const struct kg_boot *from)
{
    boot = from;
}

static const void *read_table_memory(void *context, uint64_t address, uint64_t size)
{
    (void)context;
    return kg_paging_readable(address, size) ? (const void *)address : NULL;
}

const struct kg_acpi *kg_firmware_tables(const char **problem)
{
    static const struct kg_acpi_memory memory = {read_table_memory, NULL};
    static struct kg_acpi tables;
    static const char *wrong;
    if (!tables.memory && !wrong) {
        wrong = kg_acpi_open(&tables, boot ? boot->rsdp : 0, &memory);
    }
    *problem = wrong;
    return wrong ? NULL : &tables;
}

const struct kg_acpi_fadt *kg_firmware_fadt(void)
{
    static struct kg_acpi_fadt fadt;
    static bool looked, found;
    const char *problem;
    const struct kg_acpi *acpi = kg_firmware_tables(&problem);
    if (acpi && !looked) {
        found = kg_acpi_find_fadt(&fadt, acpi);
    }
    looked = true;
    return found ? &fadt : NULL;
}

bool kg_firmware_is_ram(uint64_t from, uint64_t to)
{
    return kg_boot_is_ram(boot, from, to);
}

bool kg_register_usable(const struct kg_acpi_register *r, uint32_t size)
{
    uint64_t page = r->address & ~(KG_PAGE - 1);
    if (r->space != KG_ACPI_MEMORY) {
        return r->address != 0;
    }
    if (page == 0 || (r->address + size - 1) / KG_PAGE != page / KG_PAGE || kg_firmware_is_ram(page, page + KG_PAGE)) {
        return false;
    }
    return kg_paging_device(page);
}

uint32_t kg_register_read(const struct kg_acpi_register *r, uint32_t size)
{
    uint16_t port = (uint16_t)r->address;
    if (r->space == KG_ACPI_PORT) {
        return size == 1 ? kg_inb(port) : size == 2 ? kg_inw(port) : kg_inl(port);
    }
    if (size == 1) {
        return *(const volatile uint8_t *)r->address;
    }
    return size == 2 ? *(const volatile uint16_t *)r->address : *(const volatile uint32_t *)r->address;
}

/* ACPI 6.5, 5.2.3.2: device and function on bus 0, and the offset in configuration space. */
static void write_pci(uint64_t address, uint8_t value)
{
    uint32_t device = address >> 32 & 31, function = address >> 16 & 7, offset = address & 0xFF;
    kg_outl(PCI_ADDRESS, PCI_ENABLE | device << 11 | function << 8 | (offset & 0xFC));
    kg_outb((uint16_t)(PCI_DATA + (offset & 3)), value);
}

void kg_register_write(const struct kg_acpi_register *r, uint32_t size, uint32_t value)
{
    uint16_t port = (uint16_t)r->address;
    if (r->space == KG_ACPI_PCI) {
        write_pci(r->address, (uint8_t)value);
    } else if (r->space == KG_ACPI_PORT) {
        if (size == 1) {
            kg_outb(port, (uint8_t)value);
        } else {
            kg_outw(port, (uint16_t)value);
        }
    } else if (size == 1) {
        *(volatile uint8_t *)r->address = (uint8_t)value;
    } else {
        *(volatile uint16_t *)r->address = (uint16_t)value;
    }
}
