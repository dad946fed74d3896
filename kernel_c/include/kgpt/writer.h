/* Text on its way to a reader: a terminal on the serial line, the kernel's own screen, or a pipe. One writer for each.
 *
 * A terminal gets words whole: one that reaches the end of the line is erased there and written again on the next
 * line, so that text can come piece by piece. Control characters are shown ("\x1b"), never sent: a model must not
 * steer the terminal. A pipe gets the bytes as they are. */
#ifndef KGPT_WRITER_H
#define KGPT_WRITER_H

#include "kgpt/terminal.h"
#include "kgpt/voice.h"

#define KG_WRITER_WORD 128 /* bytes of a word that can be moved to the next line; a longer one is broken */

struct kg_writer {
    void (*write)(const char *text, size_t n);
    uint32_t columns; /* of the terminal; 0: not known, and nothing is moved */
    bool raw;         /* a pipe */
    bool coloured;
    bool one_cell; /* every character takes one column, wide ones too */

    uint8_t voice;       /* whose colour the terminal has now: enum kg_voice */
    bool returned;       /* "\r" came: shown unless "\n" follows */
    bool broken;         /* the line began because the one before was full: spaces are left out */
    uint32_t column;     /* where the next character goes */
    uint32_t word_width; /* columns of the word that ends there */
    uint32_t notice;     /* columns of a notice */
    size_t word_n;       /* bytes of that word; more than fit: it cannot be moved */
    char word[KG_WRITER_WORD];
    struct kg_decoder decoder;
    char out[128]; /* gathered, so that a text is written at once */
    size_t out_n;
};

/* `n` bytes of a text of `voice`. However a text is cut into pieces, the same bytes are written. */
void kg_writer_text(struct kg_writer *w, enum kg_voice voice, const char *text, size_t n);

/* Bytes of ours as they are: in the kernel's voice, without any check. */
void kg_writer_plain(struct kg_writer *w, const char *text, size_t n);

/* A few words in ASCII that vanish when something else is written: what takes long shows that it goes on. None where the
 * terminal is not known, or the line has no room. */
void kg_writer_notice(struct kg_writer *w, const char *text, size_t n);

#endif
