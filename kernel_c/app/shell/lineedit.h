/* Line editor for a keyboard or serial line, with history; its output also suits a plain pipe. A text has one or
 * more rows, separated by line feeds; the terminal shows the row of the cursor. */
#ifndef KGPT_APP_LINEEDIT_H
#define KGPT_APP_LINEEDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "kgpt/arena.h"

#ifndef KG_LINE_MAX
#define KG_LINE_MAX 512 /* bytes of a text with its NUL, in the smallest configuration */
#endif
#ifndef KG_LINE_COLUMNS
#define KG_LINE_COLUMNS 1000 /* of a redrawn row with its prompt; a longer row is shown in part */
#endif
#define KG_PROMPT_MORE "... " /* prompt of continuation rows */

enum kg_edit {
    KG_EDIT_MORE,        /* the text is not complete */
    KG_EDIT_LINE,        /* Enter: edit->line is complete */
    KG_EDIT_INTERRUPTED, /* Ctrl-C: the text was dropped */
    KG_EDIT_END,         /* Ctrl-D on an empty row */
};

struct kg_lineedit {
    void (*write)(const char *text, size_t n);
    const char *prompt;
    char *line;                     /* the text, ended by NUL */
    size_t room;                    /* bytes of `line` */
    size_t n, cursor;               /* bytes; the cursor is at a character boundary */
    size_t lost;                    /* bytes that did not fit */
    size_t view, view_end;          /* the visible part of the row, as offsets in `line` */
    bool rows;                      /* a pasted line feed is text; otherwise it is Enter */
    bool pasting;                   /* between the marks of a bracketed paste */
    bool tabs;                      /* a tab is text; otherwise it is a space */
    bool pasted;                    /* the text contains a paste or comes from the history: use it as it is */
    char *history;                  /* texts ended by NUL, oldest first */
    size_t history_room, history_n; /* bytes */
    size_t history_at;              /* offset of the shown text; history_n: the new text */
    bool drafted;                   /* the new text is saved as the last entry while an older one is shown */
    bool draft_pasted;
    char escape[8]; /* incomplete escape sequence */
    size_t escape_n;
    char character[4]; /* incomplete UTF-8 character */
    size_t character_n;
    bool after_return; /* "\r\n" counts as one Enter */
    bool answered;     /* the terminal answered the status request */
    bool brackets;     /* the terminal supports bracketed paste */
};

/* Allocates an editor for texts of at most room - 1 bytes, from an arena that counts or has enough memory. */
void kg_lineedit_carve(struct kg_lineedit *edit, void (*write)(const char *text, size_t n), size_t room,
                       struct kg_arena *arena);

/* Shows the prompt and starts an empty text. `prompt` must live as long as the text. */
void kg_lineedit_begin(struct kg_lineedit *edit, const char *prompt);

/* Continues the text after its first `n` bytes in a new row. */
void kg_lineedit_continue(struct kg_lineedit *edit, size_t n);

/* Processes one typed byte. */
enum kg_edit kg_lineedit_feed(struct kg_lineedit *edit, unsigned char byte);

/* Inserts whole characters at the cursor, as if typed. */
void kg_lineedit_insert(struct kg_lineedit *edit, const char *text, size_t n);

/* Redraws prompt and row on a new line of the terminal. */
void kg_lineedit_show(struct kg_lineedit *edit);

/* Adds a text to the history. */
void kg_lineedit_remember(struct kg_lineedit *edit, const char *text);

#endif
