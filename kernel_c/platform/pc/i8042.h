/* The keyboard controller of PCs, or the firmware's emulation for USB keyboards. All waits are bounded: the
 * controller or the keyboard may be absent. */
#ifndef KGPT_PC_I8042_H
#define KGPT_PC_I8042_H

#include <stdbool.h>

void kg_i8042_init(void);
bool kg_i8042_present(void); /* a keyboard responds */

void kg_i8042_keep(void); /* reads the controller's buffer into the ring for kg_i8042_read; interrupts must be off */

/* The next byte of input, KG_READ_NONE, KG_READ_RESTART, or KG_READ_END without a keyboard. A keyboard that is
 * plugged in later is recognized by its first key. */
int kg_i8042_read(void);

#endif
