/* A text, typed on a keyboard or over a serial line: editing, history, and nothing that a plain pipe would mind. The text is one row, or
 * several with line feeds between them; the terminal shows the row that the cursor is in. */
#ifndef KGPT_APP_LINEEDIT_H
#define KGPT_APP_LINEEDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "kgpt/arena.h"

#ifndef KG_LINE_MAX
#define KG_LINE_MAX 512 /* bytes of a text, with its NUL: the least that an image has room for */
#endif
#ifndef KG_LINE_COLUMNS
#define KG_LINE_COLUMNS 1000 /* of a row that is drawn again, with its prompt: of a longer one only a part is shown */
#endif
#define KG_PROMPT_MORE "... " /* before every row but the first */

enum kg_edit {
    KG_EDIT_MORE,        /* the text goes on */
    KG_EDIT_LINE,        /* Enter: edit->line is complete */
    KG_EDIT_INTERRUPTED, /* Ctrl-C: the text was dropped */
    KG_EDIT_END,         /* Ctrl-D on an empty row */
};

struct kg_lineedit {
    void (*write)(const char *text, size_t n);
    const char *prompt;
    char *line;            /* the text, ended by NUL */
    size_t room;           /* bytes of `line` */
    size_t n, cursor;      /* bytes; the cursor is always between two characters */
    size_t lost;           /* bytes that found no room */
    size_t view, view_end; /* what is shown of the row, in bytes of `line` */
    bool rows;             /* a pasted line feed belongs to the text; else it is an Enter */
    bool pasting;          /* between the marks of a bracketed paste */
    bool tabs;             /* belong to the text; else one is a space */
    bool pasted;           /* the text holds what was pasted, or comes from the history: it is taken as it is */
    char *history;         /* texts ended by NUL, the oldest first */
    size_t history_room, history_n; /* bytes */
    size_t history_at;              /* where the text shown begins; history_n: the new one */
    bool drafted;                   /* the last text of the history is the new one, while an old one is shown */
    bool draft_pasted;
    char escape[8]; /* an escape sequence so far */
    size_t escape_n;
    char character[4]; /* a UTF-8 character so far */
    size_t character_n;
    bool after_return; /* "\r\n" is one Enter */
    bool answered;     /* the terminal has said that it is one */
    bool brackets;     /* it marks what is pasted */
};

/* An editor of texts of at most room - 1 bytes. The arena counts, or has room for it. */
void kg_lineedit_carve(struct kg_lineedit *edit, void (*write)(const char *text, size_t n), size_t room,
                       struct kg_arena *arena);

/* Show the prompt and start an empty text. `prompt` must live as long as the text. */
void kg_lineedit_begin(struct kg_lineedit *edit, const char *prompt);

/* The text goes on behind its first `n` bytes, in a new row. */
void kg_lineedit_continue(struct kg_lineedit *edit, size_t n);

/* One typed byte. */
enum kg_edit kg_lineedit_feed(struct kg_lineedit *edit, unsigned char byte);

/* Puts `text` where the cursor is, as if it were typed: whole characters. */
void kg_lineedit_insert(struct kg_lineedit *edit, const char *text, size_t n);

/* Shows prompt and row again, on a new line of the terminal. */
void kg_lineedit_show(struct kg_lineedit *edit);

/* Keeps a text in the history. */
void kg_lineedit_remember(struct kg_lineedit *edit, const char *text);

#endif
