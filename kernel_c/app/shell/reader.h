/* Reads typed lines and texts of several rows, for shell and chat. */
#ifndef KGPT_APP_READER_H
#define KGPT_APP_READER_H

#include "commands.h"

enum kg_read {
    KG_READ_TEXT,    /* k->edit.line is complete */
    KG_READ_DROPPED, /* Ctrl-C, or the text was too long */
    KG_READ_CLOSED,  /* end of input, or Ctrl-D in an empty row, possibly after other rows */
};

/* Allocates the editor for texts of at most room - 1 bytes, from an arena that counts or has enough memory. */
void kg_reader_carve(struct kgpt *k, size_t room, struct kg_arena *arena);

enum kg_reader_kind {
    KG_READ_LINE,    /* one line, also from a paste */
    KG_READ_ROW,     /* one line; tabs are text */
    KG_READ_MESSAGE, /* a paste is one text */
};

/* Shows the prompt for a new text. */
void kg_reader_begin(struct kgpt *k, const char *prompt, enum kg_reader_kind kind);

/* Continues the text after its first `n` bytes in a new row. */
void kg_reader_continue(struct kgpt *k, size_t n);

/* Reads until Enter. Tab completes `commands`; with NULL it is a character. */
enum kg_read kg_reader_read(struct kgpt *k, const struct kg_commands *commands);

#endif
