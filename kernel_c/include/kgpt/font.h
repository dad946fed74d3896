/* The 8 by 16 font of the screen: ASCII, Latin-1, box drawing and block elements. */
#ifndef KGPT_FONT_H_
#define KGPT_FONT_H_

#include <stdint.h>

#define KG_FONT_WIDTH 8
#define KG_FONT_HEIGHT 16

/* The number of a code point's glyph, or of one that looks like it; that of U+FFFD for those that have none. */
uint32_t kg_font_index(uint32_t code);

const uint8_t *kg_font_glyph(uint32_t index); /* 16 rows from the top down; the most significant bit is leftmost */
uint8_t kg_font_vga(uint32_t index);          /* the same, or what comes near it, in the font of VGA's text mode */

#endif
