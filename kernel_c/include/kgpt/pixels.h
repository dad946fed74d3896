/* Drawing into a linear framebuffer of any depth and colour order. It never reads the framebuffer, because reads of
 * uncached or write-combining memory are slow.
 *
 * The text has margins (docs/platform.md#draw-the-screen); the last row is the status line, a bar at the bottom. */
#ifndef KGPT_PIXELS_H
#define KGPT_PIXELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KG_SCALE_MAX 8

struct kg_pixel_format {
    uint32_t pitch, width, height; /* pitch in bytes; width and height in pixels */
    uint8_t bpp;
    uint8_t red_position, red_size, green_position, green_size, blue_position, blue_size; /* bits */
};

struct kg_pixels {
    struct kg_pixel_format format;
    uint8_t *memory;
    uint32_t bytes;       /* bytes of a pixel: 2 to 4 */
    uint32_t scale;       /* pixels per dot of the font, horizontally and vertically */
    uint32_t colours[16]; /* the colours of cells in this pixel format */
};

/* Returns false if the format is unsupported or too small for 20 by 4 characters and their margins. */
bool kg_pixels_init(struct kg_pixels *p, const struct kg_pixel_format *format, void *memory);

/* `scale` 0 chooses a readable size for the resolution. A scale that is too large is reduced. */
void kg_pixels_scale(struct kg_pixels *p, uint32_t scale);
uint32_t kg_pixels_columns(const struct kg_pixels *p);
uint32_t kg_pixels_rows(const struct kg_pixels *p);

void kg_pixels_clear(const struct kg_pixels *p); /* to black */

/* Draws adjacent cells (kgpt/terminal.h). Cell (0, 0) is the upper left corner of the text. */
void kg_pixels_cells(const struct kg_pixels *p, uint32_t row, uint32_t column, const uint32_t *cells, uint32_t n);

/* Draws a picture of 0x00RRGGBB in place of the first rows. Its width is a multiple of 8. */
void kg_pixels_picture(const struct kg_pixels *p, const uint32_t *pixels, size_t stride, uint32_t width,
                       uint32_t height);

#endif
