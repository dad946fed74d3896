/* VGA text mode, 80 by 25, where the firmware left it on. */
#ifndef KGPT_X86_64_VGA_H
#define KGPT_X86_64_VGA_H

#include <stdbool.h>
#include <stdint.h>

#define KG_VGA_MEMORY 0xB8000
#define KG_VGA_COLUMNS 80
#define KG_VGA_ROWS 25

bool kg_vga_init(void); /* false: nothing keeps what is written there */
void kg_vga_draw(uint32_t row, uint32_t column, const uint32_t *cells, uint32_t n); /* a kg_cells_draw */

#endif
