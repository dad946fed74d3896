/* The screen, pixels or VGA text: what is written becomes visible at once, or, while text floods in, some sixty times
 * a second. */
#ifndef KGPT_X86_64_SCREEN_H
#define KGPT_X86_64_SCREEN_H

#include <stddef.h>

#include "platform/boot/boot.h"

/* First a few rows, for whoever panics before there is memory; then all of it. */
void kg_screen_init(const struct kg_framebuffer *framebuffer);
void kg_screen_start(void);

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
