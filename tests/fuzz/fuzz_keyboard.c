/* Fuzzes the keyboard decoder. The first byte selects the initial scan code set and the layout. After any codes,
 * releasing all keys and pressing "a" must type an "a". */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "kgpt/keyboard.h"
#include "kgpt/utf8.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a layout types: one or two characters, each after ESC with Alt. */
UNWATCHED static bool is_text(const char *typed, size_t n)
{
    size_t characters = 0;
    for (size_t at = 0; at < n; characters++) {
        at += typed[at] == '\x1b' && at + 1 < n;
        size_t length = kg_utf8_length(typed + at, n - at);
        if (!length) {
            return false;
        }
        at += length;
    }
    return characters <= 2;
}

/* One key of a terminal: a byte, ESC and a byte, or a sequence. */
UNWATCHED static bool is_key(const char *typed, size_t n)
{
    if (n == 1 && ((uint8_t)typed[0] == KG_KEY_PAGE_UP || (uint8_t)typed[0] == KG_KEY_PAGE_DOWN)) {
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        if ((uint8_t)typed[i] > 0x7F) {
            return false;
        }
    }
    if (n < 3) {
        return n < 2 || typed[0] == '\x1b';
    }
    if (typed[0] != '\x1b' || (typed[1] != '[' && typed[1] != 'O')) {
        return false;
    }
    for (size_t i = 2; i + 1 < n; i++) {
        if (typed[i] < '0' || typed[i] > '9') {
            return false;
        }
    }
    return typed[n - 1] == '~' || (typed[n - 1] >= 'A' && typed[n - 1] <= 'Z');
}

static size_t feed(struct kg_keyboard *keyboard, uint8_t code, char *last)
{
    char typed[KG_KEY_BYTES + 1];
    typed[KG_KEY_BYTES] = 'x';
    size_t n = kg_keyboard_feed(keyboard, code, typed);
    promise(n <= KG_KEY_BYTES && typed[KG_KEY_BYTES] == 'x' &&
            (is_key(typed, n) || (keyboard->layout && is_text(typed, n))));
    promise((keyboard->set == 1 || keyboard->set == 2) && keyboard->locks < 8 && keyboard->skipped <= 2);
    memcpy(last, typed, n);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Both pairs of shift, Ctrl and Alt go up, Esc goes down and up, then "a" goes down. */
    static const uint8_t rest[2][32] = {
        "\x01\x81\x81\x81\xaa\xb6\x9d\xe0\x9d\xb8\xe0\xb8\x01\x81\x1e",
        "\xf0\x76\xf0\x76\xf0\x76\xf0\x12\xf0\x59\xf0\x14\xe0\xf0\x14\xf0\x11\xe0\xf0\x11\x76\xf0\x76\x1c",
    };
    char typed[KG_KEY_BYTES];
    if (size == 0) {
        return 0;
    }
    static const char *const names[] = {"us", "uk", "de", "fr", "es"};
    const char *name = names[data[0] / 2 % 5];
    struct kg_keyboard keyboard = {.set = data[0] % 2 + 1, .layout = kg_layout_named(name)};
    for (size_t i = 1; i < size; i++) {
        feed(&keyboard, data[i], typed);
    }
    size_t n = 0;
    for (const uint8_t *codes = rest[keyboard.set - 1]; *codes; codes++) {
        n = feed(&keyboard, *codes, typed);
    }
    char a = name[0] == 'f' ? 'q' : 'a';
    promise(keyboard.held == 0 && n == 1 && typed[0] == (keyboard.locks & KG_LOCK_CAPS ? a - 'a' + 'A' : a));
    return 0;
}
