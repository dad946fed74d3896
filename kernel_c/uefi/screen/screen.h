/* What the boot menu shows, its keys, and the mode of the kernel's screen. */
#ifndef KGPT_UEFI_SCREEN_H
#define KGPT_UEFI_SCREEN_H

#include "uefi/stick.h"

/* menu_screen.c: the menu in pixels and on serial ports, or on the firmware's text console. */
void kg_stick_clock(struct kg_stick *stick);  /* measures the ticks of a millisecond */
void kg_stick_screen(struct kg_stick *stick); /* chooses the outputs */
void kg_stick_clear(struct kg_stick *stick);
void kg_stick_title(struct kg_stick *stick); /* clears, and writes the program's name */
void kg_stick_row(struct kg_stick *stick, size_t row, enum kg_menu_look look, const char *text);
uint32_t kg_stick_key(struct kg_stick *stick); /* 0: none */

/* menu_picture.c. False: there is no framebuffer for it. */
bool kg_menu_picture_open(struct kg_stick *stick, struct kg_menu_picture *picture);
void kg_menu_picture_clear(struct kg_menu_picture *picture);
size_t kg_menu_picture_rows(const struct kg_menu_picture *picture); /* that a menu can have */
/* Draws a row of a menu with `rows` rows. */
void kg_menu_picture_row(struct kg_menu_picture *picture, size_t row, size_t rows, enum kg_menu_look look,
                         const char *text);

/* picture_mode.c. Sets the mode of the screen for the kernel, and describes it in u->handover. */
void kg_stick_picture(struct kg_uefi *u, bool safe);

#endif
