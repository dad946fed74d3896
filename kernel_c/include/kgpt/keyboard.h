/* A PC keyboard without its hardware: scan codes become what a terminal would send. US layout. */
#ifndef KGPT_KEYBOARD_H
#define KGPT_KEYBOARD_H

#include <stddef.h>
#include <stdint.h>

/* The bits of kg_keyboard.locks: as the keyboard's LEDs are numbered. */
#define KG_LOCK_SCROLL 1
#define KG_LOCK_NUM 2
#define KG_LOCK_CAPS 4

#define KG_KEY_BYTES 8 /* room for what one key types */

/* What Page Up and Page Down type: bytes that no text has. They are for the screen, not for the one who reads what is typed. */
#define KG_KEY_PAGE_UP 0xFE
#define KG_KEY_PAGE_DOWN 0xFF

/* Zeroed but for `set`. */
struct kg_keyboard {
    uint8_t set;      /* of scan codes, 1 or 2: a first guess, corrected by codes that the other set alone has */
    uint8_t locks;    /* KG_LOCK_ */
    uint8_t held;     /* modifiers that are down */
    uint8_t last;     /* the key that went down last, while it is down */
    uint8_t extended; /* 0x80: E0 came before the code to come */
    uint8_t released; /* 0x80: F0 did */
    uint8_t restart;  /* Ctrl-Alt-Del was pressed; whoever obeys it clears it */
    uint8_t skipped;  /* codes still to come of a sequence that is ignored */
};

/* One byte of the keyboard's. Returns how many bytes were typed by it: mostly one for a key that goes down, none for one that
 * goes up, an ANSI sequence for arrows and the like, ESC and the byte with Alt. */
size_t kg_keyboard_feed(struct kg_keyboard *keyboard, uint8_t code, char typed[KG_KEY_BYTES]);

#endif
