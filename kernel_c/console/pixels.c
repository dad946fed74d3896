/* Draws cells and pictures as pixels: see kgpt/pixels.h.
 *
 * Writes go from left to right in words of eight bytes, so that the processor can combine them into bursts. Eight
 * pixels of any depth and scale are a whole number of words. They are composed in a small buffer, which is written
 * as often as it repeats. */
#include "kgpt/pixels.h"

#include "kgpt/font.h"
#include "kgpt/mem.h"
#include "kgpt/palette.h"
#include "kgpt/terminal.h"

#define LEAST_COLUMNS 22     /* with MARGIN_COLUMNS */
#define LEAST_ROWS 5         /* with MARGIN_ROWS */
#define READABLE_HEIGHT 540u /* for each dot of the font: 32 rows of text at 1920x1080 and 3840x2160 */
#define READABLE_COLUMNS 82u /* with MARGIN_COLUMNS */

/* The margins, in cells: one on either side; half above the text; a quarter above and below the status line. */
#define MARGIN_COLUMNS 2u
#define MARGIN_ROWS 1u
#define TOP_DOTS (KG_FONT_HEIGHT / 2)
#define BAR_DOTS (KG_FONT_HEIGHT / 4)

#define RUN 64 /* cells drawn together, line by line: at most 2 KB of a line */

struct word {
    uint64_t bits;
} __attribute__((packed, may_alias));

struct pixel {
    uint32_t bits;
} __attribute__((packed, may_alias));

struct line {
    uint8_t
        /* One line of a glyph. A pixel of three bytes is written as four. */
        bytes[KG_FONT_WIDTH * KG_SCALE_MAX * 4 + sizeof(struct pixel)];
};

static bool field_fits(uint8_t position, uint8_t size, uint8_t bits)
{
    return size >= 1 && size <= 16 && position + size <= bits;
}

static uint32_t pixel_field(uint32_t value, uint8_t position, uint8_t size)
{
    return (size >= 8 ? value << (size - 8) : value >> (8 - size)) << position;
}

static uint32_t pixel_colour(const struct kg_pixel_format *f, uint32_t rgb)
{
    return pixel_field(rgb >> 16 & 0xFF, f->red_position, f->red_size) |
           pixel_field(rgb >> 8 & 0xFF, f->green_position, f->green_size) |
           pixel_field(rgb & 0xFF, f->blue_position, f->blue_size);
}

bool kg_pixels_init(struct kg_pixels *p, const struct kg_pixel_format *format, void *memory)
{
    static const uint32_t rgb[KG_N_COLOURS] = {KG_PALETTE};
    const struct kg_pixel_format *f = format;
    uint32_t bytes = (f->bpp + 7u) / 8;
    uint8_t bits = (uint8_t)(bytes * 8);
    if (bytes < 2 || bytes > 4 || !field_fits(f->red_position, f->red_size, bits) ||
        !field_fits(f->green_position, f->green_size, bits) || !field_fits(f->blue_position, f->blue_size, bits) ||
        f->width < LEAST_COLUMNS * KG_FONT_WIDTH || f->height < LEAST_ROWS * KG_FONT_HEIGHT || f->width > 0xFFFF ||
        f->height > 0xFFFF || f->pitch > 0x40000 || f->pitch < f->width * bytes) {
        return false;
    }
    *p = (struct kg_pixels){.format = *format, .memory = memory, .bytes = bytes};
    for (int i = 0; i < KG_N_COLOURS; i++) {
        p->colours[i] = pixel_colour(format, rgb[i]);
    }
    kg_pixels_scale(p, 0);
    return true;
}

static uint32_t smaller_of(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

void kg_pixels_scale(struct kg_pixels *p, uint32_t scale)
{
    uint32_t width = p->format.width / KG_FONT_WIDTH, height = p->format.height;
    if (scale == 0) {
        scale = smaller_of(height / READABLE_HEIGHT, width / READABLE_COLUMNS);
    }
    scale = smaller_of(scale, smaller_of(width / LEAST_COLUMNS, height / KG_FONT_HEIGHT / LEAST_ROWS));
    p->scale = scale < 1 ? 1 : smaller_of(scale, KG_SCALE_MAX);
}

uint32_t kg_pixels_columns(const struct kg_pixels *p)
{
    return p->format.width / (KG_FONT_WIDTH * p->scale) - MARGIN_COLUMNS;
}

uint32_t kg_pixels_rows(const struct kg_pixels *p)
{
    return p->format.height / (KG_FONT_HEIGHT * p->scale) - MARGIN_ROWS;
}

/* Pixels to the left of the text: a whole number of words. */
static uint32_t left_of(const struct kg_pixels *p)
{
    return (p->format.width - kg_pixels_columns(p) * KG_FONT_WIDTH * p->scale) / 2 & ~7u;
}

/* Pixels above the text: half of what the rows and the status line leave, TOP_DOTS at least. */
static uint32_t top_of(const struct kg_pixels *p)
{
    uint32_t used = (kg_pixels_rows(p) * KG_FONT_HEIGHT + 2 * BAR_DOTS) * p->scale;
    return (p->format.height - used + TOP_DOTS * p->scale) / 2;
}

static uint8_t *pixel_at(const struct kg_pixels *p, uint32_t x, uint32_t y)
{
    return p->memory + (size_t)y * p->format.pitch + (size_t)x * p->bytes;
}

/* Writes `n` words from `line` to the screen. Returns the address after them. */
static uint8_t *write_words(uint8_t *to, const struct line *line, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        ((volatile struct word *)to)[i].bits = ((const struct word *)line->bytes)[i].bits;
    }
    return to + n * sizeof(struct word);
}

void kg_pixels_clear(const struct kg_pixels *p)
{
    uint32_t n = p->format.width * p->bytes;
    for (uint32_t y = 0; y < p->format.height; y++) {
        memset(p->memory + (size_t)y * p->format.pitch, 0, n);
    }
}

/* Composes one line of a glyph; the most significant bit is leftmost. */
static void compose_line(const struct kg_pixels *p, struct line *line, uint32_t dots, uint32_t ink, uint32_t paper)
{
    uint8_t *to = line->bytes;
    for (int i = KG_FONT_WIDTH - 1; i >= 0; i--) {
        uint32_t bits = dots >> i & 1 ? ink : paper;
        for (uint32_t j = 0; j < p->scale; j++, to += p->bytes) {
            ((struct pixel *)to)->bits = bits;
        }
    }
}

/* Draws a run of cells, `padding` lines of their paper above and below included. */
static void draw_run(const struct kg_pixels *p, uint8_t *to, const uint32_t *cells, uint32_t n, uint32_t padding)
{
    const uint8_t *glyphs[RUN];
    struct line line;
    for (uint32_t i = 0; i < n; i++) {
        glyphs[i] = kg_font_glyph(kg_font_index(cells[i] & KG_CELL_CODE));
    }
    uint32_t height = KG_FONT_HEIGHT * p->scale;
    for (uint32_t y = 0; y < height + 2 * padding; y++, to += p->format.pitch) {
        uint32_t made = UINT32_MAX;    /* dots and colours of the contents of `line`: adjacent cells often share them */
        uint32_t within = y - padding; /* `height` or more, also by wrapping around: above or below the glyphs */
        uint8_t *at = to;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t dots = within < height ? glyphs[i][within / p->scale] : 0;
            uint32_t wanted = cells[i] >> KG_CELL_INK_SHIFT << 8 | dots;
            if (wanted != made) {
                compose_line(p, &line, dots, p->colours[KG_CELL_INK(cells[i])], p->colours[KG_CELL_PAPER(cells[i])]);
                made = wanted;
            }
            at = write_words(at, &line, p->scale * p->bytes);
        }
    }
}

/* Fills the pixels from `x` up to `end` of the status line, at least 8 of them, with the paper of `cell`. */
static void fill_bar(const struct kg_pixels *p, uint32_t x, uint32_t end, uint32_t y, uint32_t cell)
{
    struct line line;
    uint32_t paper = p->colours[KG_CELL_PAPER(cell)];
    compose_line(p, &line, 0, paper, paper);
    for (; x < end; x += KG_FONT_WIDTH) {
        for (uint32_t i = y; i < p->format.height; i++) {
            write_words(pixel_at(p, smaller_of(x, end - KG_FONT_WIDTH), i), &line, p->bytes);
        }
    }
}

void kg_pixels_cells(const struct kg_pixels *p, uint32_t row, uint32_t column, const uint32_t *cells, uint32_t n)
{
    uint32_t columns = kg_pixels_columns(p), wide = KG_FONT_WIDTH * p->scale, left = left_of(p), padding = 0;
    uint32_t y = top_of(p) + row * KG_FONT_HEIGHT * p->scale;
    if (row + 1 == kg_pixels_rows(p)) { /* the status line reaches the edges of the screen */
        padding = BAR_DOTS * p->scale;
        y = p->format.height - KG_FONT_HEIGHT * p->scale - 2 * padding;
        if (column == 0) {
            fill_bar(p, 0, left, y, cells[0]);
        }
        if (column + n == columns) {
            fill_bar(p, left + columns * wide, p->format.width, y, cells[n - 1]);
        }
    }
    for (uint32_t done = 0; done < n; done += RUN) {
        uint32_t x = left + (column + done) * wide;
        draw_run(p, pixel_at(p, x, y), cells + done, smaller_of(n - done, RUN), padding);
    }
}

void kg_pixels_picture(const struct kg_pixels *p, const uint32_t *pixels, size_t stride, uint32_t width,
                       uint32_t height)
{
    struct line line;
    for (uint32_t y = 0; y < height; y++, pixels += stride) {
        uint8_t *to = pixel_at(p, left_of(p), top_of(p) + y);
        for (uint32_t x = 0; x < width; x += KG_FONT_WIDTH) {
            for (uint32_t i = 0; i < KG_FONT_WIDTH; i++) {
                ((struct pixel *)(line.bytes + i * p->bytes))->bits = pixel_colour(&p->format, pixels[x + i]);
            }
            to = write_words(to, &line, p->bytes);
        }
    }
}
