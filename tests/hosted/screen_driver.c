/* The screen without hardware, for tests/hosted/screen.py: a terminal whose pixels are in the test's memory, with a
 * line editor; and a writer, for tests/hosted/test_writer.py. */
#include "../../kernel_c/app/shell/lineedit.h"
#include "kgpt/mem.h"
#include "kgpt/pixels.h"
#include "kgpt/terminal.h"
#include "kgpt/writer.h"

static struct kg_pixels pixels;
static struct kg_terminal terminal;
static struct kg_lineedit edit;
static uint32_t drawn;

bool driver_pixels(const struct kg_pixel_format *format, void *memory, uint32_t scale);
bool driver_pixels(const struct kg_pixel_format *format, void *memory, uint32_t scale)
{
    if (!kg_pixels_init(&pixels, format, memory)) {
        return false;
    }
    kg_pixels_scale(&pixels, scale);
    kg_pixels_clear(&pixels);
    return true;
}

void driver_size(uint32_t size[3]);
void driver_size(uint32_t size[3])
{
    size[0] = kg_pixels_columns(&pixels);
    size[1] = kg_pixels_rows(&pixels);
    size[2] = pixels.scale;
}

void driver_terminal(uint32_t *memory, size_t size, uint32_t columns, uint32_t rows);
void driver_terminal(uint32_t *memory, size_t size, uint32_t columns, uint32_t rows)
{
    kg_terminal_init(&terminal, memory, size, columns, rows);
}

void driver_colour(uint32_t ink, uint32_t paper);
void driver_colour(uint32_t ink, uint32_t paper)
{
    kg_terminal_colour(&terminal, ink, paper);
}

void driver_page(int pages);
void driver_page(int pages)
{
    kg_terminal_page(&terminal, pages);
}

void driver_write(const char *text, size_t n);
void driver_write(const char *text, size_t n)
{
    kg_terminal_write(&terminal, text, n);
}

void driver_status(const char *text, size_t n);
void driver_status(const char *text, size_t n)
{
    kg_terminal_status(&terminal, text, n);
}

void driver_place(uint32_t top);
void driver_place(uint32_t top)
{
    kg_terminal_place(&terminal, top);
}

static void draw_pixels(uint32_t row, uint32_t column, const uint32_t *cells, uint32_t n)
{
    kg_pixels_cells(&pixels, row, column, cells, n);
    drawn += n;
}

/* Returns the number of cells drawn. */
uint32_t driver_draw(void);
uint32_t driver_draw(void)
{
    drawn = 0;
    kg_terminal_draw(&terminal, draw_pixels);
    return drawn;
}

void driver_cells(uint32_t row, uint32_t column, const uint32_t *cells, uint32_t n);
void driver_cells(uint32_t row, uint32_t column, const uint32_t *cells, uint32_t n)
{
    kg_pixels_cells(&pixels, row, column, cells, n);
}

void driver_picture(const uint32_t *picture, size_t stride, uint32_t width, uint32_t height);
void driver_picture(const uint32_t *picture, size_t stride, uint32_t width, uint32_t height)
{
    kg_pixels_picture(&pixels, picture, stride, width, height);
}

/* The contents of the screen in the terminal's own memory, and the cursor's position. */
static void draw_nothing(uint32_t row, uint32_t column, const uint32_t *cells, uint32_t n)
{
    (void)row;
    (void)column;
    (void)cells;
    (void)n;
}

void driver_shown(uint32_t *cells, uint32_t cursor[2]);
void driver_shown(uint32_t *cells, uint32_t cursor[2])
{
    kg_terminal_draw(&terminal, draw_nothing);
    memcpy(cells, terminal.shown, (size_t)terminal.columns * terminal.rows * sizeof *cells);
    cursor[0] = terminal.top + terminal.row;
    cursor[1] = terminal.column;
}

static struct kg_writer writer;

void driver_writer(void (*write)(const char *text, size_t n), uint32_t columns, bool raw, bool coloured,
                   bool is_screen);
void driver_writer(void (*write)(const char *text, size_t n), uint32_t columns, bool raw, bool coloured, bool is_screen)
{
    writer = (struct kg_writer){
        .write = write, .columns = columns, .raw = raw, .coloured = coloured, .is_screen = is_screen};
}

void driver_say(uint32_t voice, const char *text, size_t n);
void driver_say(uint32_t voice, const char *text, size_t n)
{
    kg_writer_text(&writer, (enum kg_voice)voice, text, n);
}

void driver_plain(const char *text, size_t n);
void driver_plain(const char *text, size_t n)
{
    kg_writer_plain(&writer, text, n);
}

void driver_notice(const char *text, size_t n);
void driver_notice(const char *text, size_t n)
{
    kg_writer_notice(&writer, text, n);
}

void driver_edit(const char *prompt);
void driver_edit(const char *prompt)
{
    static char memory[8 * KG_LINE_MAX];
    struct kg_arena arena;
    kg_arena_init(&arena, memory, sizeof memory);
    kg_lineedit_carve(&edit, driver_write, KG_LINE_MAX, &arena);
    kg_lineedit_begin(&edit, prompt);
}

/* Returns an enum kg_edit; copies the line and the cursor's position. */
uint32_t driver_type(uint8_t byte, char *line, uint32_t *cursor);
uint32_t driver_type(uint8_t byte, char *line, uint32_t *cursor)
{
    enum kg_edit result = kg_lineedit_feed(&edit, byte);
    memcpy(line, edit.line, edit.n + 1);
    *cursor = (uint32_t)edit.cursor;
    return result;
}
