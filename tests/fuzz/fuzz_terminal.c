/* Fuzzes the terminal and its pixels; the first two bytes give the size. A second screen receives only the changes
 * and must equal the cells at all times. The framebuffer ends exactly after its last pixel. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kgpt/pixels.h"
#include "kgpt/terminal.h"
#include "kgpt/writer.h"
#include "promise.h"

#define MOST_COLUMNS 24
#define MOST_ROWS 9
#define PIECE 5 /* bytes written at once */

static struct kg_terminal terminal;
static struct kg_pixels pixels;
static uint32_t seen[MOST_ROWS][MOST_COLUMNS];

static struct kg_writer writer;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A text only makes the terminal write, and nothing else. */
UNWATCHED static void write_text(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        promise((uint8_t)text[i] >= 0x20 || text[i] == '\n' || text[i] == '\t' || text[i] == '\b');
        promise(text[i] != 0x7F);
    }
    kg_terminal_write(&terminal, text, n);
}

UNWATCHED static void see(uint32_t row, uint32_t column, const uint32_t *cells, uint32_t n)
{
    promise(n > 0 && row >= terminal.top && row < terminal.rows && column + n <= terminal.columns);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t code = cells[i] & KG_CELL_CODE;
        promise(seen[row][column + i] != cells[i]); /* no cell is drawn twice */
        promise(code >= 0x20 && (code < 0x7F || code > 0x9F) && code <= 0x10FFFF && code >> 11 != 0x1B);
        promise(!(cells[i] & ~(KG_CELL_CODE | KG_CELL_COLOURS(15, 15))));
        seen[row][column + i] = cells[i];
    }
}

static void draw(uint32_t row, uint32_t column, const uint32_t *cells, uint32_t n)
{
    see(row, column, cells, n);
    if (pixels.memory) {
        kg_pixels_cells(&pixels, row, column, cells, n);
    }
}

/* Every row on the screen equals its cells, except at the cursor. */
UNWATCHED static void check(void)
{
    uint32_t height = terminal.rows - 1 - terminal.top;
    promise(terminal.row < height && terminal.column <= terminal.columns && terminal.first < terminal.ring);
    promise(terminal.back <= terminal.kept && terminal.kept + height <= terminal.ring);
    for (uint32_t row = terminal.top; row < terminal.rows; row++) {
        uint32_t in_text = row - terminal.top, in_ring = terminal.first + terminal.ring - terminal.back + in_text;
        uint32_t at = row < terminal.rows - 1 ? in_ring % terminal.ring : terminal.ring;
        for (uint32_t column = 0; column < terminal.columns; column++) {
            uint32_t cell = terminal.cells[at * terminal.columns + column];
            bool is_cursor = in_text == terminal.row + terminal.back &&
                             (column == terminal.column || column + 1 == terminal.columns);
            promise(column == 0 || !(cell & KG_CELL_WRAPPED));
            promise(is_cursor || seen[row][column] == (cell & ~KG_CELL_WRAPPED));
            promise(((seen[row][column] ^ cell) & KG_CELL_CODE) == 0);
        }
    }
}

/* A framebuffer with three bytes a pixel, if the size is sufficient. */
static uint8_t *make_pixels(uint32_t columns, uint32_t rows)
{
    struct kg_pixel_format format = {.width = (columns + 2) * 8 + 5, .height = (rows + 1) * 16 + 3, .bpp = 24};
    format.pitch = format.width * 3 + 1;
    format.red_size = format.green_size = format.blue_size = format.green_position = 8;
    format.blue_position = 16;
    uint8_t *memory = malloc((size_t)format.pitch * format.height);
    pixels.memory = NULL;
    if (kg_pixels_init(&pixels, &format, memory)) {
        kg_pixels_clear(&pixels);
    }
    return memory;
}

/* Bytes that never occur in text (0xFA and above) call the other functions. */
static void feed(const uint8_t *data, size_t n)
{
    uint8_t command = data[0];
    if (command == 0xFA) {
        kg_terminal_status(&terminal, (const char *)data + 1, n - 1);
    } else if (command == 0xFB) {
        kg_terminal_place(&terminal, (n > 1 ? data[1] : 0) % (terminal.rows - 1));
        memset(seen, 0xFF, sizeof seen);
    } else if (command == 0xFD) {
        kg_terminal_page(&terminal, (int)(n % 3) - 1);
    } else if (command == 0xFE && n > 2) {
        writer.columns = data[1] % (MOST_COLUMNS + 1);
        kg_writer_text(&writer, KG_VOICE_MODEL, (const char *)data + 2, n - 2);
    } else if (command == 0xFF) {
        kg_writer_notice(&writer, "working", 7);
    } else if (command == 0xFC) {
        kg_terminal_colour(&terminal, n % 16, data[n - 1] % 16);
    } else {
        kg_terminal_write(&terminal, (const char *)data, n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    uint32_t columns = 1 + data[0] % MOST_COLUMNS, rows = 2 + data[1] % (MOST_ROWS - 1);
    size_t n_cells = (2 * rows + data[1] / MOST_ROWS) * columns; /* more rows for scrollback */
    uint32_t *cells = malloc(n_cells * sizeof *cells);
    uint8_t *memory = make_pixels(columns, rows);
    memset(seen, 0xFF, sizeof seen);
    kg_terminal_init(&terminal, cells, n_cells, columns, rows);
    writer = (struct kg_writer){.write = write_text, .is_screen = true};
    for (size_t at = 2; at < size; at += PIECE) {
        feed(data + at, size - at < PIECE ? size - at : PIECE);
        kg_terminal_draw(&terminal, draw);
        check();
    }
    free(memory);
    free(cells);
    return 0;
}
