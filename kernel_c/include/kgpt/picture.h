/* Drawing into a picture (struct kg_picture of kgpt/platform.h). What lies outside of it is left out. */
#ifndef KGPT_PICTURE_H
#define KGPT_PICTURE_H

#include "kgpt/platform.h"

void kg_picture_fill(const struct kg_picture *picture, uint32_t x, uint32_t y, uint32_t width, uint32_t height,
                     uint32_t colour);

/* ASCII text, whose first character has its upper left corner at (x, y). `dot`: pixels of a dot of the font. */
void kg_picture_text(const struct kg_picture *picture, uint32_t x, uint32_t y, uint32_t dot, uint32_t colour,
                     const char *text);

#endif
