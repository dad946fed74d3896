/* The ACPI power management timer (ACPI 6.5, 4.8.2.1). */
#include "clock.h"
#include "firmware.h"

#define HZ 3579545u

static struct kg_acpi_register timer;

static uint32_t read_timer(void)
{
    return kg_register_read(&timer, 4);
}

bool kg_pmtimer_open(struct kg_counter *counter)
{
    const struct kg_acpi_fadt *fadt = kg_firmware_fadt();
    if (!fadt || !kg_register_usable(&fadt->timer, 4)) {
        return false;
    }
    timer = fadt->timer;
    *counter = (struct kg_counter){HZ, fadt->timer_32_bits ? UINT32_MAX : 0xFFFFFF, read_timer};
    return true;
}
