/* Reads what is typed, for the shell and for the chat: lines, and texts of several rows. */
#ifndef KGPT_APP_READER_H
#define KGPT_APP_READER_H

#include "commands.h"

enum kg_read {
    KG_READ_TEXT,    /* k->edit.line is complete */
    KG_READ_DROPPED, /* Ctrl-C, or it was too long and is refused */
    KG_READ_CLOSED,  /* the input has ended, or Ctrl-D: in an empty row, which may be behind others */
};

/* For texts of at most room - 1 bytes. The arena counts, or has room for it. */
void kg_reader_carve(struct kgpt *k, size_t room, struct kg_arena *arena);

enum kg_reader_kind {
    KG_READ_LINE,    /* a line; one that is pasted too */
    KG_READ_ROW,     /* the same, with its tabs */
    KG_READ_MESSAGE, /* what is pasted is one text */
};

/* Shows the prompt for a new text. */
void kg_reader_begin(struct kgpt *k, const char *prompt, enum kg_reader_kind kind);

/* The text goes on behind its first `n` bytes, in a new row. */
void kg_reader_continue(struct kgpt *k, size_t n);

/* Until Enter. Tab completes `commands`; NULL: it is a character. */
enum kg_read kg_reader_read(struct kgpt *k, const struct kg_commands *commands);

#endif
