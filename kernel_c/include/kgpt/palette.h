/* The colours of every screen that kgpt draws, in the order of ANSI: red is 1, bright colours begin at 8. */
#ifndef KGPT_PALETTE_H
#define KGPT_PALETTE_H

/* 0xRRGGBB. Each colour but 0, 1 and 4, which serve as paper, has a contrast of at least 4.5 on black (WCAG 2). */
#define KG_PALETTE                                                                                \
    0x000000, 0xA61E1E, 0x7CB86A, 0xD7A65F, 0x2F5FA8, 0xBC8FC9, 0x63B8C6, 0xB8BEC6,    /* dark */ \
        0x868E98, 0xFF8078, 0xA5DC8C, 0xFFD27A, 0x84AEFF, 0xDDB0F2, 0x92E2EC, 0xFFFFFF /* bright */
#define KG_N_COLOURS 16

/* What each colour is for. */
#define KG_COLOUR_PAPER 0
#define KG_COLOUR_TEXT 7   /* the kernel's messages, and the paper of the status line */
#define KG_COLOUR_USER 6   /* what the user types */
#define KG_COLOUR_DIM 8    /* statistics */
#define KG_COLOUR_ERROR 9  /* errors */
#define KG_COLOUR_LOGO 12  /* the name at the start, and titles */
#define KG_COLOUR_MODEL 15 /* what a model says */

#endif
