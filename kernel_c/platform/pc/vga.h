/* VGA text mode, 80 by 25, if the firmware left it enabled. */
#ifndef KGPT_PC_VGA_H
#define KGPT_PC_VGA_H

#include "platform/common/screen.h"

extern const struct kg_text_mode kg_vga;

#endif
