/* The screen, with pixels or in text mode. Output is drawn at once, or at most sixty times a second during a flood
 * of text. */
#ifndef KGPT_COMMON_SCREEN_H
#define KGPT_COMMON_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

#include "platform/boot/boot.h"

/* A text mode: the hardware draws the characters. */
struct kg_text_mode {
    const char *name; /* value of screen_mode in struct kg_platform_info: "text 80x25" */
    uint64_t memory;  /* physical address */
    uint32_t columns, rows;
    bool (*init)(void);                                                             /* false: the hardware is absent */
    void (*draw)(uint32_t row, uint32_t column, const uint32_t *cells, uint32_t n); /* a kg_cells_draw */
};

/* kg_screen_init uses a few rows in static memory, for a panic before the arena exists; kg_screen_start uses the whole
 * screen. `text` is used if there are no pixels. */
void kg_screen_init(const struct kg_framebuffer *framebuffer, const struct kg_text_mode *text);
void kg_screen_start(void);

const struct kg_text_mode *kg_screen_text_mode(void); /* the argument of kg_screen_init, whether in use or not */

const char *kg_screen_mode(void); /* value of screen_mode in struct kg_platform_info; "" without a screen */

uint32_t kg_screen_columns(void); /* of its text; 0 without a screen */

void kg_screen_write(const char *text, size_t n);
void kg_screen_turn(void);  /* draws changes, unless the rate limit delays them */
void kg_screen_flush(void); /* draws changes now */

/* Scrolls the view: pages up (1 or more), a page down (-1), or back to the newest text (0). */
void kg_screen_page(int pages);
bool kg_screen_is_back(void); /* the view is scrolled back */

/* From now on text is red, and only kg_screen_flush draws: if drawing fails, the other outputs are complete. */
void kg_screen_panic(void);
void kg_screen_off(void); /* no further drawing */

#endif
