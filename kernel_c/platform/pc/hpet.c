/* The high precision event timer (IA-PC HPET 1.0a). Only its lower 32 bits are used: some HPETs have no more, and
 * two reads for 64 bits are not atomic. */
#include "clock.h"
#include "firmware.h"

enum {
    CAPABILITIES = 0,
    PERIOD = 4, /* in femtoseconds: upper half of the capabilities */
    CONFIGURATION = 0x10,
    MAIN_COUNTER = 0xF0,
};
#define PERIOD_MAX 100000000u /* limit in the specification */
#define FEMTOSECONDS 1000000000000000u
#define ENABLE 1u

static volatile uint8_t *registers;

static volatile uint32_t *hpet_register(uint32_t offset)
{
    return (volatile uint32_t *)(registers + offset);
}

static uint32_t read_hpet_counter(void)
{
    return *hpet_register(MAIN_COUNTER);
}

bool kg_hpet_open(struct kg_counter *counter)
{
    const char *problem;
    const struct kg_acpi *acpi = kg_firmware_tables(&problem);
    struct kg_acpi_register block = {acpi ? kg_acpi_find_hpet(acpi) : 0, KG_ACPI_MEMORY};
    if (block.address % 8 != 0 || !kg_register_usable(&block, MAIN_COUNTER + 4)) {
        return false;
    }
    registers = (volatile uint8_t *)block.address;
    uint32_t period = *hpet_register(PERIOD);
    if (period == 0 || period > PERIOD_MAX || (*hpet_register(CAPABILITIES) & 0xFF) == 0) {
        return false;
    }
    if (!(*hpet_register(CONFIGURATION) & ENABLE)) { /* firmware may leave it stopped */
        *hpet_register(CONFIGURATION) |= ENABLE;
    }
    *counter = (struct kg_counter){FEMTOSECONDS / period, UINT32_MAX, read_hpet_counter};
    return true;
}
