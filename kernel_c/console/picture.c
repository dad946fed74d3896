/* Rectangles and text in a picture: see kgpt/picture.h. */
#include "kgpt/picture.h"

#include "kgpt/font.h"

void kg_picture_fill(const struct kg_picture *picture, uint32_t x, uint32_t y, uint32_t width, uint32_t height,
                     uint32_t colour)
{
    for (uint32_t j = y; j < y + height && j < picture->height; j++) {
        for (uint32_t i = x; i < x + width && i < picture->width; i++) {
            picture->pixels[j * picture->stride + i] = colour;
        }
    }
}

void kg_picture_text(const struct kg_picture *picture, uint32_t x, uint32_t y, uint32_t dot, uint32_t colour,
                     const char *text)
{
    for (; *text; text++, x += KG_FONT_WIDTH * dot) {
        const uint8_t *glyph = kg_font_glyph(kg_font_index((unsigned char)*text));
        for (uint32_t bit = 0; bit < KG_FONT_WIDTH * KG_FONT_HEIGHT; bit++) {
            uint32_t column = bit % KG_FONT_WIDTH, row = bit / KG_FONT_WIDTH;
            if (glyph[row] >> (7 - column) & 1) {
                kg_picture_fill(picture, x + column * dot, y + row * dot, dot, dot, colour);
            }
        }
    }
}
