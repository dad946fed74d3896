/* PCI and PCI Express: which functions there are, and what their configuration space says. (PCI Local Bus 3.0,
 * chapter 6.) */
#ifndef KGPT_DRIVERS_BUS_PCI_H
#define KGPT_DRIVERS_BUS_PCI_H

#include "kgpt/device.h"

enum kg_pci_capability { KG_PCI_POWER = 0x01, KG_PCI_MSI = 0x05, KG_PCI_VENDOR = 0x09, KG_PCI_MSIX = 0x11 };

/* Calls `found` for every function, in the order of their addresses. `every`: look at all buses, not only at those
 * that bridges lead to. */
void kg_pci_scan(bool every, void (*found)(const struct kg_pci *pci));

/* Finds out where the function's registers are and how large. Its decoding is off meanwhile: before a driver uses
 * it. */
void kg_pci_size_bars(const struct kg_pci *pci, struct kg_bar bars[KG_PCI_BARS]);

/* Ends a sleep that the firmware left the function in (D3): asleep, it has no registers. */
void kg_pci_wake(const struct kg_pci *pci);

/* Decodes memory, raises no interrupts (devices are polled). Bus mastering stays as the firmware left it. */
void kg_pci_enable(const struct kg_pci *pci);

/* The offset of the n-th capability `id`, from 0; 0: there is none. Even a list that ends in a circle has a last
 * one. */
uint32_t kg_pci_capability(const struct kg_pci *pci, enum kg_pci_capability id, uint32_t n);

#endif
