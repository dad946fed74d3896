/* Decoder for a PC keyboard, independent of the hardware: it turns scan codes into the bytes of a terminal. */
#ifndef KGPT_KEYBOARD_H
#define KGPT_KEYBOARD_H

#include <stdbool.h>
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

/* What else decides which character a key types. */
struct kg_key_state {
    bool shift, caps, altgr;
    char us; /* what the key types on a US keyboard; NUL: no character */
};

/* A layout of keys: the rows of console/layouts.def. `type` returns how many characters a key types. `accent` is the
 * dead key before it, a combining mark, and becomes the key itself if it is a dead one. */
struct kg_layout {
    const char *name, *plain, *shifted, *altgr;
    size_t (*type)(const struct kg_layout *layout, uint8_t key, struct kg_key_state state, uint16_t *accent,
                   uint32_t typed[2]);
};

const struct kg_layout *kg_layout_named(const char *name); /* NULL: not in layouts.def */

/* All members but `set` and `layout` start at zero. */
struct kg_keyboard {
    uint8_t set;                    /* scan code set, 1 or 2: a guess, corrected by codes that only the other set has */
    uint8_t locks;                  /* KG_LOCK_ */
    uint8_t held;                   /* modifier keys that are down */
    uint8_t last;                   /* the key that went down last, while it stays down: detects auto-repeat */
    uint8_t extended;               /* 0x80 after the prefix E0 */
    uint8_t released;               /* 0x80 after the prefix F0 */
    uint8_t restart;                /* Ctrl-Alt-Del was pressed; the reader of the flag clears it */
    uint8_t skipped;                /* remaining codes of a sequence that is ignored */
    uint16_t accent;                /* of a dead key that waits for its letter: a combining mark */
    const struct kg_layout *layout; /* NULL: US */
};

/* Decodes one byte from the keyboard. Returns the number of bytes in `typed`: usually one on press and none on
 * release; arrow keys give an ANSI sequence, Alt gives ESC and the byte. */
size_t kg_keyboard_feed(struct kg_keyboard *keyboard, uint8_t code, char typed[KG_KEY_BYTES]);

#endif
