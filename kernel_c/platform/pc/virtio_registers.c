/* Virtio devices that are on no bus (kgpt/device.h): the DSDT lists them. */
#include "firmware.h"
#include "kgpt/device.h"

bool plat_virtio_registers(uint32_t i, struct kg_bar *bar)
{
    const char *problem;
    const struct kg_acpi *acpi = kg_firmware_tables(&problem);
    const struct kg_acpi_fadt *fadt = acpi ? kg_firmware_fadt() : NULL;
    struct kg_acpi_range range;
    if (!fadt || !kg_acpi_find_device(&range, acpi, fadt, KG_ACPI_VIRTIO, i)) {
        return false;
    }
    *bar = (struct kg_bar){.base = range.base, .size = range.size};
    return true;
}
