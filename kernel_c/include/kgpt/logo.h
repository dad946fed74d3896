/* The logo in three rows, as wide as each other, in block elements. Kernel and boot menu begin with it. */
#ifndef KGPT_LOGO_H
#define KGPT_LOGO_H

#define KG_LOGO_1 "█ ▄▀ ▄▀▀▀ █▀▀▄ ▀▀█▀▀"
#define KG_LOGO_2 "█▀▄  █ ▀█ █▀▀    █  "
#define KG_LOGO_3 "▀  ▀  ▀▀▀ ▀      ▀  "
#define KG_LOGO_ROWS 3

#endif
