/* QEMU's debug console, port 0xE9: the machine channel (docs/events.md). */
#ifndef KGPT_PC_DEBUGCON_H
#define KGPT_PC_DEBUGCON_H

#include "platform/common/machine.h"

bool kg_channel_init(void);

#endif
