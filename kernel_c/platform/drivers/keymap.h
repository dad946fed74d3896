/* The layout of this machine's keyboards. */
#ifndef KGPT_DRIVERS_KEYMAP_H
#define KGPT_DRIVERS_KEYMAP_H

#include "kgpt/keyboard.h"

/* Decodes a key by the layout that keymap= chose: its make code of set 1, with bit 7 for one behind the prefix E0.
 * Returns the number of bytes in `typed`. */
size_t kg_keymap_feed(struct kg_keyboard *decoder, uint8_t code, bool pressed, char typed[KG_KEY_BYTES]);
const struct kg_layout *kg_keymap(void); /* NULL: US */

#endif
