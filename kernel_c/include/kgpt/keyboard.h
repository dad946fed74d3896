/* Decoder for a PC keyboard, independent of the hardware: it turns scan codes (US layout) into the bytes of a
 * terminal. */
#ifndef KGPT_KEYBOARD_H
#define KGPT_KEYBOARD_H

#include <stddef.h>
#include <stdint.h>

/* Bits of kg_keyboard.locks, in the order of the keyboard's LED command. */
#define KG_LOCK_SCROLL 1
#define KG_LOCK_NUM 2
#define KG_LOCK_CAPS 4

#define KG_KEY_BYTES 8 /* bytes that one key produces at most */

/* Bytes for Page Up and Page Down, which do not occur in UTF-8. The screen handles them; they never reach the input
 * line. */
#define KG_KEY_PAGE_UP 0xFE
#define KG_KEY_PAGE_DOWN 0xFF

/* All members but `set` start at zero. */
struct kg_keyboard {
    uint8_t set;      /* scan code set, 1 or 2: a guess, corrected by codes that only the other set has */
    uint8_t locks;    /* KG_LOCK_ */
    uint8_t held;     /* modifier keys that are down */
    uint8_t last;     /* the key that went down last, while it stays down: detects auto-repeat */
    uint8_t extended; /* 0x80 after the prefix E0 */
    uint8_t released; /* 0x80 after the prefix F0 */
    uint8_t restart;  /* Ctrl-Alt-Del was pressed; the reader of the flag clears it */
    uint8_t skipped;  /* remaining codes of a sequence that is ignored */
};

/* Decodes one byte from the keyboard. Returns the number of bytes in `typed`: usually one on press and none on
 * release; arrow keys give an ANSI sequence, Alt gives ESC and the byte. */
size_t kg_keyboard_feed(struct kg_keyboard *keyboard, uint8_t code, char typed[KG_KEY_BYTES]);

#endif
