/* Typed input: reads bytes for a line, and detects Ctrl-C while something else runs. */
#ifndef KGPT_APP_INPUT_H
#define KGPT_APP_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KG_CTRL_C 0x03

struct kg_input {
    unsigned char ahead[4096]; /* ring of bytes typed ahead: `n` bytes from `first` */
    size_t first, n;
    int ended;       /* KG_READ_OFF or KG_READ_RESTART: the user ended the run; 0: not ended */
    uint64_t last;   /* plat_ticks() of the last byte read without typing ahead; 0: none */
    uint64_t pause;  /* longest pause between two bytes since kg_input_begin, in ticks */
    uint8_t close;   /* one bit for each of the last 8 bytes: it followed faster than a person types */
    uint8_t counted; /* bytes since kg_input_begin, at most 8 */
    bool waits;      /* `next` holds a byte that was read in advance */
    unsigned char next;
    void (*idle)(void *context); /* called while a byte is awaited; NULL: nothing to do */
    void *context;
};

/* True after Ctrl-C, or if the run shall end. Other bytes are kept for the next line. Does not block. */
bool kg_input_stopped(struct kg_input *input);

/* Waits for the next byte; KG_READ_END at the end of the input or of the run. */
int kg_input_byte(struct kg_input *input);

/* Starts the timing of bytes. */
void kg_input_begin(struct kg_input *input);

/* True if bytes arrive at the speed of a paste and another byte follows, which stays unread. May wait up to 2
 * seconds. */
bool kg_input_is_pasted(struct kg_input *input);

#endif
