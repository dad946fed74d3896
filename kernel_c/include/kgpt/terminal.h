/* A terminal without its screen: bytes become a grid of cells. What a platform draws, and how, is its own matter.
 *
 * Text is UTF-8; of ANSI's sequences it knows colours (m), the cursor (A B C D G H) and erasing (J K), and swallows
 * the others. One thing is unlike other terminals: a line that was wrapped is still one line to \r, \b, \n, C, D and
 * K, so that a line editor, which does not know how wide a screen is, can draw a long line again. */
#ifndef KGPT_TERMINAL_H
#define KGPT_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A cell: code point, a flag of ours, and two of the sixteen colours, which are numbered as ANSI's are (1 is red; 8
 * and up are bright). */
#define KG_CELL_CODE 0x1FFFFFu
#define KG_CELL_WRAPPED (1u << 21) /* on the first cell of a row: it goes on with the line of the row above */
#define KG_CELL_INK_SHIFT 24
#define KG_CELL_PAPER_SHIFT 28
#define KG_CELL_COLOURS(ink, paper) ((uint32_t)(ink) << KG_CELL_INK_SHIFT | (uint32_t)(paper) << KG_CELL_PAPER_SHIFT)
#define KG_CELL_INK(cell) ((cell) >> KG_CELL_INK_SHIFT & 15)
#define KG_CELL_PAPER(cell) ((cell) >> KG_CELL_PAPER_SHIFT & 15)

#define KG_REPLACEMENT 0xFFFDu /* for what is not UTF-8 */
#define KG_TERMINAL_PARAMETERS 8

struct kg_decoder {
    uint32_t code, least,
        missing; /* so far; the least code point that needs so many bytes; how many are still to come */
};

/* Takes one byte and returns how many code points it ended: 0, 1, or 2 if it ended a broken one besides its own. */
uint32_t kg_decode(struct kg_decoder *d, uint8_t byte, uint32_t codes[2]);

struct kg_terminal {
    uint32_t *cells; /* the text's rows, as a ring, then the status line */
    uint32_t *shown; /* what is on the screen now */
    uint32_t columns, rows;
    uint32_t top;         /* rows above the text, which are not ours */
    uint32_t ring;        /* rows of the ring: those of the text, and those that have scrolled away */
    uint32_t first;       /* the text's first row, in the ring */
    uint32_t kept;        /* rows before it that have scrolled away */
    uint32_t back;        /* that many of them are looked at */
    uint32_t row, column; /* of the cursor, in the text; column == columns: what comes next is wrapped */
    uint32_t colours;     /* of the next character, as in a cell */
    uint8_t ink, paper;
    uint8_t plain_ink, plain_paper; /* to which sequences that reset colours go back */
    bool bold, reversed;
    struct kg_decoder decoder;
    uint8_t state;   /* of the parser */
    bool is_private; /* the sequence has characters that only unknown ones have */
    uint32_t n_parameters, parameters[KG_TERMINAL_PARAMETERS];
};

/* An empty terminal. `memory` has room for `size` cells, at least 2 * columns * rows: the more there are, the more rows are kept that have
 * scrolled away. At least 1 column and 2 rows. */
void kg_terminal_init(struct kg_terminal *t, uint32_t *memory, size_t size, uint32_t columns, uint32_t rows);

void kg_terminal_write(struct kg_terminal *t, const char *text, size_t n);
void kg_terminal_colour(struct kg_terminal *t, uint32_t ink,
                        uint32_t paper); /* of plain text, and back to it, amid whatever sequence */
void kg_terminal_status(struct kg_terminal *t, const char *text, size_t n);

/* The text gets the rows from `top` (at most rows - 2) to the status line, and keeps those around the cursor. */
void kg_terminal_place(struct kg_terminal *t, uint32_t top);

/* Looks at older rows: a page up (1) or down (-1), or back to the newest (0). What is written meanwhile is seen then. */
void kg_terminal_page(struct kg_terminal *t, int pages);

/* What is on the screen is not what was drawn. */
void kg_terminal_forget(struct kg_terminal *t);

/* Calls `draw` for every run of cells that look different than when this was last called. */
typedef void kg_cells_draw(uint32_t row, uint32_t column, const uint32_t *cells, uint32_t n);
void kg_terminal_draw(struct kg_terminal *t, kg_cells_draw *draw);

#endif
