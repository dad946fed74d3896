/* VGA text mode, 80 by 25, where the firmware left it on. */
#ifndef KGPT_X86_64_VGA_H
#define KGPT_X86_64_VGA_H

#include <stdbool.h>
#include <stddef.h>

#include "boot.h"

bool kg_vga_init(const struct kg_framebuffer *framebuffer);
bool kg_vga_present(void);
void kg_vga_write(const char *text, size_t n);
void kg_vga_status(const char *text, size_t n);
void kg_vga_off(void);

#endif
