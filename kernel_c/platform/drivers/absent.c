/* No devices, in kernels without drivers. */
#include "devices.h"
#include "kgpt/platform.h"

void plat_pci_use(enum kg_pci_use use)
{
    (void)use;
}

void plat_disks_off(void)
{
}

void plat_usb_off(void)
{
}

void plat_poll(void)
{
}

struct kg_unit *kg_unit_find(enum kg_unit_kind kind, uint32_t n)
{
    (void)kind;
    (void)n;
    return NULL;
}

void kg_devices_stop(void)
{
}
