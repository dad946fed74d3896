/* Services for drivers (kgpt/device.h): PCI by ECAM, registers, and virtio devices that are on no bus. */
#ifndef KGPT_VIRT_DEVICES_H
#define KGPT_VIRT_DEVICES_H

#include "facts/facts.h"
#include "platform/boot/boot.h"

void kg_virt_devices_init(const struct kg_boot *boot, const struct kg_facts *facts); /* keeps both */

#endif
