/* No devices and no layouts of keyboards but the US one, in kernels without drivers. */
#include "devices.h"
#include "keymap.h"
#include "kgpt/platform.h"
#include "kgpt/str.h"

void plat_pci_use(enum kg_pci_use use)
{
    (void)use;
}

void plat_disks_off(void)
{
}

void plat_net_off(void)
{
}

void plat_usb_off(void)
{
}

bool plat_keymap(const char *name)
{
    return kg_streq(name, "us");
}

const struct kg_layout *kg_keymap(void)
{
    return NULL;
}

const char *plat_keyboards_awaited(void)
{
    return "";
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
