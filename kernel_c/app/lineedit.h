/* One line, typed on a keyboard or over a serial line: editing, history, and nothing that a plain pipe would mind. */
#ifndef KGPT_APP_LINEEDIT_H
#define KGPT_APP_LINEEDIT_H

#include <stdbool.h>
#include <stddef.h>

#ifndef KG_LINE_MAX
#define KG_LINE_MAX 512 /* bytes of a line, with its NUL */
#endif
#define KG_HISTORY 16 /* lines remembered */

enum kg_edit {
    KG_EDIT_MORE,        /* the line goes on */
    KG_EDIT_LINE,        /* Enter: edit->line is complete */
    KG_EDIT_INTERRUPTED, /* Ctrl-C: the line was dropped */
    KG_EDIT_END,         /* Ctrl-D on an empty line */
};

struct kg_lineedit {
    void (*write)(const char *text, size_t n);
    const char *prompt;
    char line[KG_LINE_MAX];
    size_t n, cursor; /* bytes; the cursor is always between two characters */
    char history[KG_HISTORY][KG_LINE_MAX];
    size_t history_n;        /* lines ever remembered; line i is history[i % KG_HISTORY] */
    size_t history_at;       /* the line shown; history_n: the new one */
    char draft[KG_LINE_MAX]; /* the new line, while an old one is shown */
    char escape[8];          /* an escape sequence so far */
    size_t escape_n;
    char character[4]; /* a UTF-8 character so far */
    size_t character_n;
    bool after_return; /* "\r\n" is one Enter */
    bool pasting;      /* between the marks of a bracketed paste: the line that ends here is not the last */
};

void kg_lineedit_init(struct kg_lineedit *edit, void (*write)(const char *text, size_t n));

/* Show the prompt and start an empty line. `prompt` must live as long as the line. */
void kg_lineedit_begin(struct kg_lineedit *edit, const char *prompt);

/* One typed byte. */
enum kg_edit kg_lineedit_feed(struct kg_lineedit *edit, unsigned char byte);

#endif
