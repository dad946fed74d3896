/* Escape sequences for plat_ask_terminal. */
#ifndef KGPT_TERMINAL_WORDS_H
#define KGPT_TERMINAL_WORDS_H

/* Switches on bracketed paste, then requests a status report; a terminal answers ESC [ 0 n. */
#define KG_ASK_TERMINAL "\x1b[?2004h\x1b[5n"
#define KG_ASK_PASTES 8 /* length of the first sequence: bracketed paste */
#define KG_ASK_NO_MORE "\x1b[?2004l"

#endif
