/* The screen, pixels or a text mode: what is written becomes visible at once, or, while text floods in, some sixty times
 * a second. */
#ifndef KGPT_COMMON_SCREEN_H
#define KGPT_COMMON_SCREEN_H

#include <stddef.h>

#include "platform/boot/boot.h"

/* A mode in which the hardware draws the characters. */
struct kg_text_mode {
    const char *name; /* as struct kg_platform_info has it: "text 80x25" */
    uint64_t memory;  /* its address */
    uint32_t columns, rows;
    bool (*init)(void); /* false: there is no such hardware */
    void (*draw)(uint32_t row, uint32_t column, const uint32_t *cells, uint32_t n); /* a kg_cells_draw */
};

/* First a few rows, for a panic before there is memory; then all of it. `text` is used where there are no pixels. */
void kg_screen_init(const struct kg_framebuffer *framebuffer, const struct kg_text_mode *text);
void kg_screen_start(void);

const struct kg_text_mode *kg_screen_text_mode(void); /* of kg_screen_init, whether it is in use or not */

const char *kg_screen_mode(void); /* as struct kg_platform_info has it; "" without a screen */

uint32_t kg_screen_columns(void); /* of its text; 0 without a screen */

void kg_screen_write(const char *text, size_t n);
void kg_screen_turn(void);  /* draws what has changed, if it was not drawn just before */
void kg_screen_flush(void); /* draws it now */

/* Shows what has scrolled away: a page up (1) or down (-1), or the newest again (0). */
void kg_screen_page(int pages);

/* From now on text is red, and drawn by kg_screen_flush alone: should that fail, all the rest was said before. */
void kg_screen_panic(void);
void kg_screen_off(void); /* nothing more is drawn */

#endif
