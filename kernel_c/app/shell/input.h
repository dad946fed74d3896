/* What is typed: read when a line is wanted, and looked through for Ctrl-C while something runs. */
#ifndef KGPT_APP_INPUT_H
#define KGPT_APP_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KG_CTRL_C 0x03

struct kg_input {
    unsigned char ahead[4096]; /* typed ahead: a ring of `n` bytes from `first` */
    size_t first, n;
    int ended;       /* KG_READ_OFF or KG_READ_RESTART: somebody has ended the run; 0: nobody has */
    uint64_t last;   /* plat_ticks() when the last byte was read as it came; 0: it was typed ahead */
    uint64_t pause;  /* the longest between two bytes since kg_input_begin, in ticks */
    uint8_t close;   /* a bit for each of the last bytes: it came so soon behind the one before as no key does */
    uint8_t counted; /* bytes since kg_input_begin; 8: or more */
    bool waits;      /* kg_input_comes has read a byte */
    unsigned char next;
};

/* Was Ctrl-C typed, or is the run to end? What else was typed is kept for the next line. Never waits. */
bool kg_input_stopped(struct kg_input *input);

/* The next byte, waiting for it; KG_READ_END when there is no more, or the run is to end. */
int kg_input_byte(struct kg_input *input);

/* From here on the pace of the bytes counts. */
void kg_input_begin(struct kg_input *input);

/* Do the bytes come as a terminal sends a paste, and does one more come? It stays there. May wait for a second or two. */
bool kg_input_is_pasted(struct kg_input *input);

#endif
