/* PCI and PCI Express: enumeration of functions, and their configuration space (PCI Local Bus 3.0, chapter 6). */
#ifndef KGPT_DRIVERS_BUS_PCI_H
#define KGPT_DRIVERS_BUS_PCI_H

#include "kgpt/device.h"

enum kg_pci_capability { KG_PCI_POWER = 0x01, KG_PCI_MSI = 0x05, KG_PCI_VENDOR = 0x09, KG_PCI_MSIX = 0x11 };

/* Calls `found` for every function, in address order. `every`: probe all buses, not only those that bridges lead to. */
void kg_pci_scan(bool every, void (*found)(const struct kg_pci *pci));

/* Finds addresses and sizes of the BARs, before a driver uses the function: its decoding is disabled meanwhile. */
void kg_pci_size_bars(const struct kg_pci *pci, struct kg_bar bars[KG_PCI_BARS]);

/* Sets power state D0: the firmware may have left the function in D3, without registers. */
void kg_pci_wake(const struct kg_pci *pci);

/* Enables memory decoding and disables interrupts (devices are polled). Bus mastering is unchanged. */
void kg_pci_enable(const struct kg_pci *pci);

/* Offset of the n-th capability `id`, from 0; 0: none. The search is bounded, also in a cyclic list. */
uint32_t kg_pci_capability(const struct kg_pci *pci, enum kg_pci_capability id, uint32_t n);

#endif
