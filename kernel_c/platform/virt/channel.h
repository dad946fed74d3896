/* The machine channel (docs/events.md): QEMU's pci-serial, a 16550 behind a range of ports of the PCI host. QEMU's virt
 * has no serial port besides the console's. */
#ifndef KGPT_VIRT_CHANNEL_H
#define KGPT_VIRT_CHANNEL_H

#include "facts/facts.h"
#include "platform/common/machine.h"

/* Looks for the device on the first bus. Everything is mapped. */
void kg_channel_init(const struct kg_pci_host *host);

#endif
