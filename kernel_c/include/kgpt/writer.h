/* Output to a reader: a terminal on the serial line, the kernel's screen, or a pipe. Each has one writer.
 *
 * On a terminal, words are not split. A word that reaches the end of the line is erased and written again on the
 * next line, so text can arrive in pieces. Control characters are shown as escapes ("\x1b"), never sent, so a model
 * cannot control the terminal. A pipe gets the bytes unchanged. */
#ifndef KGPT_WRITER_H
#define KGPT_WRITER_H

#include "kgpt/terminal.h"
#include "kgpt/voice.h"

#define KG_WRITER_WORD 128 /* bytes of a word that can be moved to the next line; a longer word is split */

struct kg_writer {
    void (*write)(const char *text, size_t n);
    uint32_t columns; /* columns of the terminal; 0: unknown, so words are not moved */
    bool raw;         /* the reader is a pipe */
    bool coloured;
    bool is_screen; /* the kernel's own: every character occupies one column, and the background is black */

    uint8_t voice;       /* enum kg_voice of the current colour */
    bool returned;       /* "\r" was received: shown unless "\n" follows */
    bool broken;         /* the line is a continuation: spaces at its start are omitted */
    uint32_t column;     /* column of the next character */
    uint32_t word_width; /* columns of the word before the cursor */
    uint32_t notice;     /* columns of the current notice; 0: none */
    size_t word_n;       /* bytes of that word; more than KG_WRITER_WORD: the word cannot be moved */
    char word[KG_WRITER_WORD];
    struct kg_decoder decoder;
    char out[128]; /* output buffer: a text is written in one call */
    size_t out_n;
};

/* Writes `n` bytes of a text of `voice`. The output does not depend on how a text is divided. */
void kg_writer_text(struct kg_writer *w, enum kg_voice voice, const char *text, size_t n);

/* Writes bytes in the kernel's voice without escaping. */
void kg_writer_plain(struct kg_writer *w, const char *text, size_t n);

/* Shows a short ASCII progress message, which is erased before the next output. Ignored if the terminal's width is
 * unknown or the line has no room. */
void kg_writer_notice(struct kg_writer *w, const char *text, size_t n);

#endif
