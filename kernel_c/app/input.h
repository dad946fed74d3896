/* What is typed: read when a line is wanted, and looked through for Ctrl-C while something runs. */
#ifndef KGPT_APP_INPUT_H
#define KGPT_APP_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#define KG_CTRL_C 0x03

struct kg_input {
    unsigned char ahead[4096]; /* typed ahead: a ring of `n` bytes from `first` */
    size_t first, n;
    int ended; /* KG_READ_OFF or KG_READ_RESTART: somebody has ended the run; 0: nobody has */
};

/* Was Ctrl-C typed, or is the run to end? What else was typed is kept for the next line. Never waits. */
bool kg_input_stopped(struct kg_input *input);

/* The next byte, waiting for it; KG_READ_END when there is no more, or the run is to end. */
int kg_input_byte(struct kg_input *input);

#endif
