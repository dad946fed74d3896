#include "kgpt/keyboard.h"

#include "kgpt/test.h"

/* The output for these codes with the given set; "^" replaces ESC. */
static const char *typed_by(uint8_t set, const char *codes, size_t n)
{
    static char text[64];
    struct kg_keyboard keyboard = {.set = set};
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        char typed[KG_KEY_BYTES];
        size_t count = kg_keyboard_feed(&keyboard, (uint8_t)codes[i], typed);
        for (size_t j = 0; j < count && at + 1 < sizeof text; j++) {
            text[at++] = typed[j] == '\x1b' ? '^' : typed[j];
        }
    }
    text[at] = '\0';
    return text;
}

#define TYPED(set, codes) typed_by(set, codes, sizeof codes - 1)

KG_TEST(keyboard, the_same_keys_in_both_sets)
{
    /* Shift with a, b; Caps Lock, c, with Shift d; Ctrl with c; Alt with x; Enter */
    KG_CHECK_TEXT(t,
                  TYPED(1, "\x2a\x1e\x9e\xaa\x30\xb0\x3a\xba\x2e\xae\x36\x20\xa0\xb6\x1d\x2e\xae\x9d\x38\x2d\xad\xb8"
                           "\x1c\x9c"),
                  "AbCd\x03^X\r");
    KG_CHECK_TEXT(t,
                  TYPED(2, "\x12\x1c\xf0\x1c\xf0\x12\x32\xf0\x32\x58\xf0\x58\x21\xf0\x21\x59\x23\xf0\x23\xf0\x59"
                           "\x14\x21\xf0\x21\xf0\x14\x11\x22\xf0\x22\xf0\x11\x5a\xf0\x5a"),
                  "AbCd\x03^X\r");
}

KG_TEST(keyboard, keys_of_terminals)
{
    /* up, Home, Delete, F1, F12, keypad 8 without and with Num Lock */
    KG_CHECK_TEXT(t,
                  TYPED(1, "\xe0\x48\xe0\xc8\xe0\x47\xe0\xc7\xe0\x53\xe0\xd3\x3b\xbb\x58\xd8\x48\xc8\x45\xc5\x48\xc8"),
                  "^[A^[H^[3~^OP^[24~^[A8");
    /* Pause and Print Screen type nothing; Ctrl-Pause does. */
    KG_CHECK_TEXT(t,
                  TYPED(1, "\xe1\x1d\x45\xe1\x9d\xc5\xe0\x2a\xe0\x37\xe0\xb7\xe0\xaa\x1e\x9e\x1d\xe0\x46\xe0\xc6\x9d"),
                  "a\x03");
    KG_CHECK_TEXT(t, TYPED(2, "\xe1\x14\x77\xe1\xf0\x14\xf0\x77\xe0\x12\xe0\x7c\xe0\xf0\x7c\xe0\xf0\x12\x1c\xf0\x1c"),
                  "a");
}

KG_TEST(keyboard, repeats_and_notices_the_other_set)
{
    KG_CHECK_TEXT(t, TYPED(1, "\x1e\x1e\x1e\x9e\x3a\x3a\x3a\xba\x1e\x9e"), "aaaA"); /* Caps Lock ignores auto-repeat */
    KG_CHECK_TEXT(t, TYPED(1, "\xf0\x5a\x1c\xf0\x1c"), "a");
    KG_CHECK_TEXT(t, TYPED(2, "\x9c\x1e\x9e\x1f\x9f"), "as");
}
