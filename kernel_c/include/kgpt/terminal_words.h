/* What a terminal is asked by plat_ask_terminal. */
#ifndef KGPT_TERMINAL_WORDS_H
#define KGPT_TERMINAL_WORDS_H

#define KG_ASK_TERMINAL \
    "\x1b[?2004h\x1b[5n" /* to mark what is pasted; whether it is there, to which it answers ESC [ 0 n */
#define KG_ASK_PASTES 8  /* bytes of the first of the two */
#define KG_ASK_NO_MORE "\x1b[?2004l"

#endif
