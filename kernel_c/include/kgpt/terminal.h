/* A terminal emulator without a screen: it turns bytes into a grid of cells, which the platform draws.
 *
 * Input is UTF-8. Supported ANSI sequences: colours (m), cursor movement (A B C D G H) and erasing (J K); others are
 * ignored. Unlike on other terminals, \r, \b, \n, C, D and K treat a wrapped line as one line. So a line editor can
 * redraw a long line without knowing the width of the screen. */
#ifndef KGPT_TERMINAL_H
#define KGPT_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A cell: code point, a flag, and two of the sixteen ANSI colours (1 is red; 8 and up are bright). */
#define KG_CELL_CODE 0x1FFFFFu
#define KG_CELL_WRAPPED (1u << 21) /* on the first cell of a row: the row continues the line of the row above */
#define KG_CELL_INK_SHIFT 24
#define KG_CELL_PAPER_SHIFT 28
#define KG_CELL_COLOURS(ink, paper) ((uint32_t)(ink) << KG_CELL_INK_SHIFT | (uint32_t)(paper) << KG_CELL_PAPER_SHIFT)
#define KG_CELL_INK(cell) ((cell) >> KG_CELL_INK_SHIFT & 15)
#define KG_CELL_PAPER(cell) ((cell) >> KG_CELL_PAPER_SHIFT & 15)

#define KG_REPLACEMENT 0xFFFDu /* for invalid UTF-8 */
#define KG_TERMINAL_PARAMETERS 8

struct kg_decoder {
    /* Code point so far; smallest code point of this length; missing continuation bytes. */
    uint32_t code, least, missing;
};

/* Decodes one byte. Returns the number of completed code points: 0, 1, or 2 if the byte ends a broken sequence and
 * is a character itself. */
uint32_t kg_decode(struct kg_decoder *d, uint8_t byte, uint32_t codes[2]);

struct kg_terminal {
    uint32_t *cells; /* ring of text rows (with the scrollback), then the status line */
    uint32_t *shown; /* what the screen shows now */
    uint32_t columns, rows;
    uint32_t top;         /* rows above the text, used by a picture */
    uint32_t ring;        /* rows in the ring: text and scrollback */
    uint32_t first;       /* index in the ring of the first text row */
    uint32_t kept;        /* rows of scrollback */
    uint32_t back;        /* scrollback rows that are in view */
    uint32_t row, column; /* position of the cursor in the text; column == columns: the next character wraps */
    uint32_t colours;     /* attributes of the next character, as in a cell */
    uint8_t ink, paper;
    uint8_t plain_ink, plain_paper; /* colours to which reset sequences return */
    bool bold, reversed;
    struct kg_decoder decoder;
    uint8_t state;   /* state of the escape sequence parser */
    bool is_private; /* the sequence has private or intermediate characters, so it is ignored */
    uint32_t n_parameters, parameters[KG_TERMINAL_PARAMETERS];
};

/* Initializes an empty terminal. `memory` holds `size` cells, at least 2 * columns * rows; the rest is scrollback.
 * At least 1 column and 2 rows. */
void kg_terminal_init(struct kg_terminal *t, uint32_t *memory, size_t size, uint32_t columns, uint32_t rows);

void kg_terminal_write(struct kg_terminal *t, const char *text, size_t n);
/* Sets the colours of plain text, to which reset sequences return. Works in the middle of a sequence. */
void kg_terminal_colour(struct kg_terminal *t, uint32_t ink, uint32_t paper);
void kg_terminal_status(struct kg_terminal *t, const char *text, size_t n);

/* Moves the text to the rows from `top` (at most rows - 2) to the status line. The rows around the cursor stay. */
void kg_terminal_place(struct kg_terminal *t, uint32_t top);

/* Scrolls the view by pages up (1 or more) or a page down (-1), or back to the newest text (0). Writing continues
 * meanwhile. */
#define KG_PAGES_ALL 4096 /* up to the oldest text */
void kg_terminal_page(struct kg_terminal *t, int pages);

/* Marks the whole screen for redrawing. */
void kg_terminal_forget(struct kg_terminal *t);

/* Calls `draw` for every run of cells that changed since the last call. */
typedef void kg_cells_draw(uint32_t row, uint32_t column, const uint32_t *cells, uint32_t n);
void kg_terminal_draw(struct kg_terminal *t, kg_cells_draw *draw);

#endif
