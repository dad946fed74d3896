#include "kgpt/terminal.h"

#include "kgpt/str.h"
#include "kgpt/test.h"

#define COLUMNS 6
#define ROWS 5 /* four text rows and the status line */

static struct kg_terminal terminal;
#define KEPT 3 /* rows of scrollback */
static uint32_t memory[(2 * ROWS + KEPT) * COLUMNS];
static char
    screen[ROWS * (COLUMNS + 1) + 1]; /* '_' is a space, '#' is not ASCII, '@' is the cursor; rows end with '|' */

static void draw_into_text(uint32_t row, uint32_t column, const uint32_t *cells, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t code = cells[i] & KG_CELL_CODE;
        bool is_cursor = row < ROWS - 1 && KG_CELL_PAPER(cells[i]) != 0;
        screen[row * (COLUMNS + 1) + column + i] = is_cursor ? '@' : code == ' ' ? '_' : code < 0x80 ? (char)code : '#';
    }
}

static const char *show_page(int pages)
{
    kg_terminal_page(&terminal, pages);
    kg_terminal_draw(&terminal, draw_into_text);
    return screen;
}

static const char *drawn_text(const char *text)
{
    for (int row = 0; row < ROWS; row++) {
        screen[row * (COLUMNS + 1) + COLUMNS] = '|';
    }
    kg_terminal_write(&terminal, text, kg_strlen(text));
    kg_terminal_draw(&terminal, draw_into_text);
    return screen;
}

/* Renders `text` on a new terminal. */
static const char *shown_text(const char *text)
{
    kg_terminal_init(&terminal, memory, sizeof memory / sizeof *memory, COLUMNS, ROWS);
    return drawn_text(text);
}

KG_TEST(terminal, lines)
{
    KG_CHECK_TEXT(t, shown_text("a\nbc\rd\tx\b\bé\xff\n\n\nlast"), "dc__##|______|______|last@_|______|");
    KG_CHECK_TEXT(t, shown_text("0\n1\n2\n3\n4\n5\xc3"), "2_____|3_____|4_____|5@____|______|");
    KG_CHECK_TEXT(t, drawn_text("\xa9z"), "2_____|3_____|4_____|5#z@__|______|");
}

/* Operations of a line editor on a line of three rows. */
KG_TEST(terminal, wrapped_lines)
{
    KG_CHECK_TEXT(t, shown_text("$ abcdefghijklm"), "$_abcd|efghij|klm@__|______|______|");
    KG_CHECK_TEXT(t, drawn_text("\x1b[12DX"), "$_aX@d|efghij|klm___|______|______|");
    KG_CHECK_TEXT(t, drawn_text("\r$ abcdef\x1b[K"), "$_abcd|ef@___|______|______|______|");
    KG_CHECK_TEXT(t, drawn_text("\x1b[5D\nnext"), "$_abcd|ef____|next@_|______|______|");
}

KG_TEST(terminal, sequences)
{
    KG_CHECK_TEXT(t, shown_text("abc\x1b[2J\x1b[2;3Hx\x1b[1;31my\x1b[?25l\x1b]0;title\x07z\x1b[38;5;41m"),
                  "______|__xyz@|______|______|______|");
    KG_CHECK_EQ(t, memory[COLUMNS + 3], 'y' | KG_CELL_COLOURS(9, 0));
    KG_CHECK_TEXT(t, drawn_text("\x1b[0m\x1b[A\x1b[Gup\x1b[B\x1b[1K\x1b[99B\x1b[99Ce"),
                  "up____|___yz_|______|_____@|______|");
}

KG_TEST(terminal, status_and_picture)
{
    shown_text("1\n2\n3\n4");
    kg_terminal_status(&terminal, "status é", 9);
    KG_CHECK_TEXT(t, drawn_text("\n5"), "2_____|3_____|4_____|5@____|status|");
    kg_terminal_place(&terminal, 2);
    KG_CHECK_TEXT(t, drawn_text("\n6"), "2_____|3_____|5_____|6@____|status|"); /* the upper rows belong to a picture */
    kg_terminal_place(&terminal, 0);
    KG_CHECK_TEXT(t, drawn_text("!"), "5_____|6!@___|______|______|status|");
}

KG_TEST(terminal, pages)
{
    shown_text("0\n1\n2\n3\n4\n5\n6\n7\n8");
    KG_CHECK_TEXT(t, show_page(1), "2_____|3_____|4_____|5_____|______|");
    KG_CHECK_TEXT(t, drawn_text("\n9"), "3_____|4_____|5_____|6_____|______|"); /* row 2 is lost */
    KG_CHECK_TEXT(t, show_page(-1), "6_____|7_____|8_____|9@____|______|");
}
