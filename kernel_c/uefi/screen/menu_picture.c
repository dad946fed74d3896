/* The boot menu in pixels, on the framebuffer of GOP: the font, the colours and the layout of the kernel's screen. */
#include "kgpt/font.h"
#include "kgpt/logo.h"
#include "kgpt/mem.h"
#include "kgpt/palette.h"
#include "kgpt/terminal.h"
#include "kgpt/utf8.h"
#include "screen.h"

#define LOGO_ROW 1
#define NAME_COLUMN 23
#define LOWER 2 /* rows that the menu's rows lie below those of text, for the logo */
#define CHOSEN_PAPER 4
#define BAR_FULL 0x2588
#define BAR_EMPTY 0x2591

static const char *const logo[KG_LOGO_ROWS] = {KG_LOGO_1, KG_LOGO_2, KG_LOGO_3};

static uint32_t *cells_of(struct kg_menu_picture *picture, size_t row)
{
    return picture->cells + row * picture->columns;
}

/* Fills a row from `column` on with text and blanks. Returns the column behind the text. */
static uint32_t write_cells(const struct kg_menu_picture *picture, uint32_t *cells, uint32_t column, const char *text,
                            uint32_t colours)
{
    size_t n = kg_strlen(text), length;
    for (size_t at = 0; at < n && column < picture->columns; at += length ? length : 1) {
        length = kg_utf8_length(text + at, n - at);
        cells[column++] = (length ? kg_utf8_code(text + at, length) : '?') | colours;
    }
    uint32_t end = column;
    while (column < picture->columns) {
        cells[column++] = ' ' | colours;
    }
    return end;
}

/* Draws the row if it differs from what the screen shows. */
static void show_cells(struct kg_menu_picture *picture, size_t row, const uint32_t *cells)
{
    uint32_t *shown = cells_of(picture, row);
    size_t bytes = picture->columns * sizeof *cells;
    if (row < picture->rows && memcmp(shown, cells, bytes) != 0) {
        memcpy(shown, cells, bytes);
        kg_pixels_cells(&picture->pixels, (uint32_t)row, 0, cells, picture->columns);
    }
}

/* The bar of kg_progress_text in block elements. */
static void draw_bar(uint32_t *cells, uint32_t columns)
{
    for (uint32_t i = 0, inside = 0; i < columns; i++) {
        uint32_t code = cells[i] & KG_CELL_CODE, rest = cells[i] & ~KG_CELL_CODE;
        if (code == ']') {
            cells[i] = ' ' | rest;
            return;
        }
        if (code == '[') {
            inside = 1;
            cells[i] = ' ' | rest;
        } else if (inside) {
            cells[i] = (code == '#' ? BAR_FULL : BAR_EMPTY) | rest;
        }
    }
}

/* The logo, with the name beside its first row. */
static void draw_logo(struct kg_menu_picture *picture, const char *name)
{
    uint32_t cells[KG_MENU_PICTURE_COLUMNS];
    for (size_t i = 0; i < KG_LOGO_ROWS; i++) {
        write_cells(picture, cells, 0, logo[i], KG_CELL_COLOURS(KG_COLOUR_LOGO, KG_COLOUR_PAPER));
        if (i == 0) {
            write_cells(picture, cells, NAME_COLUMN, name, KG_CELL_COLOURS(KG_COLOUR_MODEL, KG_COLOUR_PAPER));
        } else if (i == 1) {
            write_cells(picture, cells, NAME_COLUMN, "a language model without an operating system",
                        KG_CELL_COLOURS(KG_COLOUR_DIM, KG_COLOUR_PAPER));
        }
        show_cells(picture, LOGO_ROW + i, cells);
    }
}

bool kg_menu_picture_open(struct kg_stick *stick, struct kg_menu_picture *picture)
{
    const struct kg_framebuffer *fb = &stick->u->handover->boot.framebuffer;
    if (fb->type != KG_FRAMEBUFFER_RGB || !kg_pixels_init(&picture->pixels, &fb->format, (void *)fb->base)) {
        return false;
    }
    uint32_t columns = kg_pixels_columns(&picture->pixels), rows = kg_pixels_rows(&picture->pixels);
    picture->columns = columns < KG_MENU_PICTURE_COLUMNS ? columns : KG_MENU_PICTURE_COLUMNS;
    picture->rows = rows;
    picture->cells =
        (uint32_t *)kg_uefi_pages(stick->u, (uint64_t)picture->columns * rows * sizeof(uint32_t), UINT64_MAX);
    return picture->cells && columns >= KG_MENU_COLUMNS_MIN && rows >= KG_MENU_ROWS_MIN + LOWER;
}

void kg_menu_picture_clear(struct kg_menu_picture *picture)
{
    uint32_t blank = ' ' | KG_CELL_COLOURS(KG_COLOUR_TEXT, KG_COLOUR_PAPER);
    for (size_t i = 0; i < (size_t)picture->columns * picture->rows; i++) {
        picture->cells[i] = blank;
    }
    kg_pixels_clear(&picture->pixels);
}

size_t kg_menu_picture_rows(const struct kg_menu_picture *picture)
{
    return picture->rows - LOWER;
}

void kg_menu_picture_row(struct kg_menu_picture *picture, size_t row, size_t rows, enum kg_menu_look look,
                         const char *text)
{
    static const uint32_t colours[] = {
        [KG_MENU_PLAIN] = KG_CELL_COLOURS(KG_COLOUR_TEXT, KG_COLOUR_PAPER),
        [KG_MENU_TITLE] = KG_CELL_COLOURS(KG_COLOUR_MODEL, KG_COLOUR_PAPER),
        [KG_MENU_CHOSEN] = KG_CELL_COLOURS(KG_COLOUR_MODEL, CHOSEN_PAPER),
        [KG_MENU_DIM] = KG_CELL_COLOURS(KG_COLOUR_DIM, KG_COLOUR_PAPER),
        [KG_MENU_PROGRESS] = KG_CELL_COLOURS(KG_COLOUR_LOGO, KG_COLOUR_PAPER),
    };
    uint32_t cells[KG_MENU_PICTURE_COLUMNS];
    if (row == KG_MENU_NAME_ROW) {
        draw_logo(picture, text + 2);
        return;
    }
    write_cells(picture, cells, 0, text, colours[look]);
    if (look == KG_MENU_PROGRESS) {
        draw_bar(cells, picture->columns);
    }
    if (row + LOWER < picture->rows - 1 && row != rows - KG_MENU_LAST_ROW) {
        show_cells(picture, row + LOWER, cells);
    } else if (row == rows - KG_MENU_LAST_ROW) {
        write_cells(picture, cells, 0, text, KG_CELL_COLOURS(KG_COLOUR_PAPER, KG_COLOUR_TEXT));
        show_cells(picture, picture->rows - 1, cells);
    }
}
