/* The keyboard controller of PCs, or the firmware's emulation for USB keyboards. All waits are bounded: the
 * controller or the keyboard may be absent. */
#ifndef KGPT_PC_I8042_H
#define KGPT_PC_I8042_H

#include "platform/common/machine.h"

/* kg_keyboard_present and kg_keyboard_read are of this keyboard. One that is plugged in later is recognized by its
 * first key. */
void kg_i8042_init(void);
void kg_i8042_keep(void); /* reads the controller's buffer into the ring for kg_keyboard_read; interrupts must be off */

#endif
