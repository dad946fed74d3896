/* The keyboard controller of PCs, or what firmware puts in its place for USB keyboards. Every wait is bounded:
 * there may be none, or a controller without a keyboard. */
#ifndef KGPT_X86_64_I8042_H
#define KGPT_X86_64_I8042_H

#include <stdbool.h>

void kg_i8042_init(void);
bool kg_i8042_present(void); /* a keyboard answered */

void kg_i8042_keep(void); /* takes in what the keyboard has sent, for kg_i8042_read; with interrupts off */

/* The next byte that was typed, KG_READ_NONE, KG_READ_RESTART, or KG_READ_END if there is no keyboard. One that was plugged in later works, but only
 * counts once it has typed something. */
int kg_i8042_read(void);

#endif
