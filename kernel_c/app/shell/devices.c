/* The shell command `devices`, in kernels with drivers. */
#include "app/events/print.h"
#include "kgpt/device.h"
#include "shell.h"

static enum kg_next run_devices(struct kgpt *k, char *arguments)
{
    (void)k;
    (void)arguments;
    const struct kg_device *device = plat_devices();
    if (!device) {
        kg_print("no devices were found\n");
    }
    for (; device; device = device->next) {
        const struct kg_pci *pci = &device->pci;
        kg_print("%04x:%02x:%02x.%u  %04x:%04x  class %06x", pci->address >> 16, pci->address >> 8 & 0xFF,
                 pci->address >> 3 & 31, pci->address & 7, pci->vendor, pci->device, pci->class_code);
        if (device->driver) {
            kg_print("  %s: %s", device->driver->name, device->problem ? device->problem : "works");
        }
        kg_print("\n");
    }
    return KG_NEXT_LINE;
}

const struct kg_command kg_device_commands[] = {
    {"devices", "", "the devices on PCI buses, and those that a driver uses", run_devices, NULL, KG_SHELL},
    {0},
};
