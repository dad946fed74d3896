/* The layout of this machine's keyboards. */
#ifndef KGPT_DRIVERS_KEYMAP_H
#define KGPT_DRIVERS_KEYMAP_H

#include "kgpt/keyboard.h"

const struct kg_layout *kg_keymap(void); /* that keymap= chose; NULL: US */

#endif
