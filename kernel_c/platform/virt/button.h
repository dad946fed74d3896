/* The power button. */
#ifndef KGPT_VIRT_BUTTON_H
#define KGPT_VIRT_BUTTON_H

#include "facts/facts.h"

void kg_button_init(const struct kg_button *button); /* its registers are mapped */

#endif
