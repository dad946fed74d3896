/* The 8 by 16 font of the screen: ASCII, Latin-1, box drawing and block elements. Kernels for language models (LM=1)
 * also have Latin Extended-A, Greek, Cyrillic, punctuation, arrows, mathematics and shapes. */
#ifndef KGPT_FONT_H_
#define KGPT_FONT_H_

#include <stdint.h>

#define KG_FONT_WIDTH 8
#define KG_FONT_HEIGHT 16

/* Index of the glyph for a code point, or of a similar glyph; the glyph of U+FFFD if there is none. */
uint32_t kg_font_index(uint32_t code);

const uint8_t *kg_font_glyph(uint32_t index); /* 16 rows from the top down; the most significant bit is leftmost */
uint8_t kg_font_vga(uint32_t index);          /* the same or a similar character in the VGA text-mode font */

#endif
