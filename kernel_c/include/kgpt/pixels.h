/* Drawing into a linear framebuffer of any depth and order of colours. Its memory is only ever written: reading it
 * back is slow. */
#ifndef KGPT_PIXELS_H
#define KGPT_PIXELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KG_SCALE_MAX 8

struct kg_pixel_format {
    uint32_t pitch, width, height; /* bytes a line; pixels */
    uint8_t bpp;
    uint8_t red_position, red_size, green_position, green_size, blue_position, blue_size; /* bits */
};

struct kg_pixels {
    struct kg_pixel_format format;
    uint8_t *memory;
    uint32_t bytes;       /* of a pixel: 2 to 4 */
    uint32_t scale;       /* pixels that a dot of the font is wide and high */
    uint32_t colours[16]; /* of cells, as this format has them */
};

/* False for a format that cannot be drawn in, or is too small for 20 by 4 characters. */
bool kg_pixels_init(struct kg_pixels *p, const struct kg_pixel_format *format, void *memory);

/* `scale` 0: so that text is readable at this resolution. Too large a one is made smaller. */
void kg_pixels_scale(struct kg_pixels *p, uint32_t scale);
uint32_t kg_pixels_columns(const struct kg_pixels *p);
uint32_t kg_pixels_rows(const struct kg_pixels *p);

void kg_pixels_clear(const struct kg_pixels *p); /* all of it, to black */

/* Cells (kgpt/terminal.h) side by side; cell (0, 0) has the screen's upper left corner. */
void kg_pixels_cells(const struct kg_pixels *p, uint32_t row, uint32_t column, const uint32_t *cells, uint32_t n);

/* A picture of 0x00RRGGBB in the upper left corner; its width is a multiple of 8. */
void kg_pixels_picture(const struct kg_pixels *p, const uint32_t *pixels, size_t stride, uint32_t width,
                       uint32_t height);

#endif
