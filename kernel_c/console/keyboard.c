/* Keyboard decoder: see kgpt/keyboard.h. Keys are identified by their make codes of set 1. Codes of set 2 are
 * translated to set 1, with the table of keyboard controllers. */
#include "kgpt/keyboard.h"

#include "kgpt/utf8.h"

#define PREFIX_EXTENDED 0xE0
#define PREFIX_PAUSE 0xE1 /* two codes follow */
#define SET2_RELEASED 0xF0
#define SET2_F7 0x83
#define SET2_HIGHEST 0x84
#define SELF_TEST_PASSED 0xAA
#define RELEASED 0x80
#define EXTENDED 0x80

#define CTRL_C 0x03
#define ESCAPE 0x1B
#define DELETE 0x7F

enum key {
    KEY_ENTER = 0x1C,
    KEY_CTRL = 0x1D,
    KEY_LEFT_SHIFT = 0x2A,
    KEY_SLASH = 0x35,
    KEY_RIGHT_SHIFT = 0x36,
    KEY_ALT = 0x38,
    KEY_CAPS = 0x3A,
    KEY_F1 = 0x3B,
    KEY_F10 = 0x44,
    KEY_NUM = 0x45,
    KEY_SCROLL = 0x46, /* extended: Ctrl with Pause */
    KEY_PAD_FIRST = 0x47,
    KEY_PAD_LAST = 0x53, /* keypad Del; extended: the Delete key */
    KEY_102ND = 0x56,
    KEY_F11 = 0x57,
    KEY_F12 = 0x58,
    KEY_KANA = 0x70,
};

enum modifier { LEFT_SHIFT = 1, RIGHT_SHIFT = 2, LEFT_CTRL = 4, RIGHT_CTRL = 8, LEFT_ALT = 16, RIGHT_ALT = 32 };
#define CTRLS (LEFT_CTRL | RIGHT_CTRL)
#define ALTS (LEFT_ALT | RIGHT_ALT)

/* Characters by make code, from code 0; NUL: no character. */
static const char plain[] = "\0\x1b"
                            "1234567890-=\x7f\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[] = "\0\x1b"
                              "!@#$%^&*()_+\x7f\tQWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";

/* Keypad keys with Num Lock (digits) and without: a letter means ESC [ letter, a digit ESC [ digit ~. */
static const char pad_digits[] = "789-456+1230.";
static const char pad_moves[] = "HA5-D\0C+FB623";

/* Make codes of set 2 to set 1. */
static const uint8_t translation[SET2_HIGHEST + 1] = {
    [0x01] = 0x43, [0x03] = 0x3F, [0x04] = 0x3D, [0x05] = 0x3B, [0x06] = 0x3C, [0x07] = 0x58, [0x09] = 0x44,
    [0x0A] = 0x42, [0x0B] = 0x40, [0x0C] = 0x3E, [0x0D] = 0x0F, [0x0E] = 0x29, [0x11] = 0x38, [0x12] = 0x2A,
    [0x13] = 0x70, [0x14] = 0x1D, [0x15] = 0x10, [0x16] = 0x02, [0x1A] = 0x2C, [0x1B] = 0x1F, [0x1C] = 0x1E,
    [0x1D] = 0x11, [0x1E] = 0x03, [0x21] = 0x2E, [0x22] = 0x2D, [0x23] = 0x20, [0x24] = 0x12, [0x25] = 0x05,
    [0x26] = 0x04, [0x29] = 0x39, [0x2A] = 0x2F, [0x2B] = 0x21, [0x2C] = 0x14, [0x2D] = 0x13, [0x2E] = 0x06,
    [0x31] = 0x31, [0x32] = 0x30, [0x33] = 0x23, [0x34] = 0x22, [0x35] = 0x15, [0x36] = 0x07, [0x3A] = 0x32,
    [0x3B] = 0x24, [0x3C] = 0x16, [0x3D] = 0x08, [0x3E] = 0x09, [0x41] = 0x33, [0x42] = 0x25, [0x43] = 0x17,
    [0x44] = 0x18, [0x45] = 0x0B, [0x46] = 0x0A, [0x49] = 0x34, [0x4A] = 0x35, [0x4B] = 0x26, [0x4C] = 0x27,
    [0x4D] = 0x19, [0x4E] = 0x0C, [0x52] = 0x28, [0x54] = 0x1A, [0x55] = 0x0D, [0x58] = 0x3A, [0x59] = 0x36,
    [0x5A] = 0x1C, [0x5B] = 0x1B, [0x5D] = 0x2B, [0x61] = 0x56, [0x66] = 0x0E, [0x69] = 0x4F, [0x6B] = 0x4B,
    [0x6C] = 0x47, [0x70] = 0x52, [0x71] = 0x53, [0x72] = 0x50, [0x73] = 0x4C, [0x74] = 0x4D, [0x75] = 0x48,
    [0x76] = 0x01, [0x77] = 0x45, [0x78] = 0x57, [0x79] = 0x4E, [0x7A] = 0x51, [0x7B] = 0x4A, [0x7C] = 0x37,
    [0x7D] = 0x49, [0x7E] = 0x46, [0x83] = 0x41, [0x84] = 0x54,
};

/* Detects that the keyboard uses the other scan code set: after a failed query, or after another keyboard was
 * plugged in. The first break code decides: set 1 has F0 only as the break code of a Japanese key, set 2 has only
 * two codes from 80 to DF. */
static void notice_set(struct kg_keyboard *keyboard, uint8_t code)
{
    bool only_set1 = code >= RELEASED && code < PREFIX_EXTENDED && code != SET2_F7 && code != SET2_HIGHEST &&
                     code != SELF_TEST_PASSED;
    uint8_t set = keyboard->set;
    if (set == 1 && code == SET2_RELEASED && keyboard->last != KEY_KANA) {
        set = 2;
    } else if (set == 2 && only_set1) {
        set = 1;
    }
    if (set != keyboard->set) { /* codes decoded before were misinterpreted: reset */
        *keyboard = (struct kg_keyboard){.set = set, .layout = keyboard->layout};
    }
}

static uint8_t modifier_of(uint8_t key, bool extended)
{
    switch (key) {
    case KEY_CTRL: return extended ? RIGHT_CTRL : LEFT_CTRL;
    case KEY_ALT: return extended ? RIGHT_ALT : LEFT_ALT;
    /* Keyboards send extended shifts around some extended keys, for compatibility with the first PCs; they are not
     * key presses. */
    case KEY_LEFT_SHIFT: return extended ? 0 : LEFT_SHIFT;
    case KEY_RIGHT_SHIFT: return extended ? 0 : RIGHT_SHIFT;
    default: return 0;
    }
}

static uint8_t lock_of(uint8_t key)
{
    return key == KEY_CAPS ? KG_LOCK_CAPS : key == KEY_NUM ? KG_LOCK_NUM : key == KEY_SCROLL ? KG_LOCK_SCROLL : 0;
}

/* Writes ESC [, the number if it is not 0, and the final character. */
static size_t type_sequence(char *typed, uint8_t number, char end)
{
    size_t n = 0;
    typed[n++] = ESCAPE;
    typed[n++] = '[';
    if (number >= 10) {
        typed[n++] = (char)('0' + number / 10);
    }
    if (number) {
        typed[n++] = (char)('0' + number % 10);
    }
    typed[n++] = end;
    return n;
}

/* Function key by index (0: F1), as terminals send it. F1 to F4 are ESC O P to S, as on a VT100. */
static size_t type_function(char *typed, uint8_t i)
{
    static const uint8_t numbers[] = {15, 17, 18, 19, 20, 21, 23, 24};
    if (i < 4) {
        size_t n = type_sequence(typed, 0, (char)('P' + i));
        typed[1] = 'O';
        return n;
    }
    return type_sequence(typed, numbers[i - 4], '~');
}

static size_t type_move(char *typed, char move)
{
    bool numbered = move >= '0' && move <= '9';
    if (move == '5' || move == '6') {
        *typed = move == '5' ? (char)KG_KEY_PAGE_UP : (char)KG_KEY_PAGE_DOWN;
        return 1;
    }
    return move ? type_sequence(typed, numbered ? (uint8_t)(move - '0') : 0, numbered ? '~' : move) : 0;
}

/* In a layout with AltGr, which is the right Alt, only the left one is Alt. */
static size_t type_character(const struct kg_keyboard *keyboard, char *typed, uint32_t c)
{
    size_t n = 0;
    if ((keyboard->held & CTRLS) && c >= '@' && c != '`' && c < DELETE) {
        c &= 0x1F;
    }
    if (keyboard->held & (keyboard->layout ? LEFT_ALT : ALTS)) {
        typed[n++] = ESCAPE;
    }
    return n + kg_utf8_encode(c, typed + n);
}

static size_t type_layout(struct kg_keyboard *keyboard, char *typed, uint8_t key, char us)
{
    struct kg_key_state state = {keyboard->held & (LEFT_SHIFT | RIGHT_SHIFT), keyboard->locks & KG_LOCK_CAPS,
                                 keyboard->held & RIGHT_ALT, us};
    uint32_t characters[2];
    size_t n = keyboard->layout->type(keyboard->layout, key, state, &keyboard->accent, characters), bytes = 0;
    for (size_t i = 0; i < n; i++) {
        bytes += type_character(keyboard, typed + bytes, characters[i]);
    }
    return bytes;
}

static size_t type_pad(const struct kg_keyboard *keyboard, char *typed, uint8_t i, bool digits)
{
    char move = pad_moves[i];
    return digits || move == '-' || move == '+' ? type_character(keyboard, typed, (uint8_t)pad_digits[i])
                                                : type_move(typed, move);
}

static char character_of(const struct kg_keyboard *keyboard, uint8_t key, bool shift)
{
    if (key == KEY_102ND) {
        return shift ? '>' : '<';
    }
    if (key >= sizeof plain - 1) {
        return '\0';
    }
    bool letter = plain[key] >= 'a' && plain[key] <= 'z', caps = keyboard->locks & KG_LOCK_CAPS;
    return shift != (letter && caps) ? shifted[key] : plain[key];
}

static size_t type_extended(const struct kg_keyboard *keyboard, char *typed, uint8_t key)
{
    if (key >= KEY_PAD_FIRST && key <= KEY_PAD_LAST) {
        return type_pad(keyboard, typed, key - KEY_PAD_FIRST, false);
    }
    if (key == KEY_SCROLL) {
        typed[0] = CTRL_C;
        return 1;
    }
    return key == KEY_ENTER || key == KEY_SLASH ? type_character(keyboard, typed, (uint8_t)plain[key]) : 0;
}

static size_t type_key(struct kg_keyboard *keyboard, char *typed, uint8_t key)
{
    bool shift = keyboard->held & (LEFT_SHIFT | RIGHT_SHIFT), num = keyboard->locks & KG_LOCK_NUM;
    if (key >= KEY_F1 && key <= KEY_F10) {
        return type_function(typed, key - KEY_F1);
    }
    if (key == KEY_F11 || key == KEY_F12) {
        return type_function(typed, key - KEY_F11 + 10);
    }
    if (key >= KEY_PAD_FIRST && key <= KEY_PAD_LAST) {
        return type_pad(keyboard, typed, key - KEY_PAD_FIRST, shift != num);
    }
    char c = character_of(keyboard, key, shift);
    if (c == '\t' && shift) {
        return type_sequence(typed, 0, 'Z');
    }
    if (keyboard->layout) {
        return type_layout(keyboard, typed, key, c);
    }
    return c ? type_character(keyboard, typed, (uint8_t)c) : 0;
}

static size_t press_key(struct kg_keyboard *keyboard, uint8_t key, uint8_t extended, char *typed)
{
    bool repeated = keyboard->last == (key | extended);
    uint8_t modifier = modifier_of(key, extended), lock = extended ? 0 : lock_of(key);
    keyboard->last = key | extended;
    keyboard->held |= modifier;
    if (lock && !repeated) {
        keyboard->locks ^= lock;
    }
    if (modifier || lock) {
        return 0;
    }
    if (key == KEY_PAD_LAST && (keyboard->held & CTRLS) && (keyboard->held & ALTS)) {
        keyboard->restart = 1;
        return 0;
    }
    uint16_t accent = keyboard->accent;
    if (accent && repeated) {
        return 0; /* a dead key that is held */
    }
    size_t n = extended ? type_extended(keyboard, typed, key) : type_key(keyboard, typed, key);
    if (keyboard->accent == accent) { /* a key that types no character: an accent before it is dropped */
        keyboard->accent = 0;
    }
    return n;
}

static void release_key(struct kg_keyboard *keyboard, uint8_t key, uint8_t extended)
{
    keyboard->held &= (uint8_t)~modifier_of(key, extended);
    if (keyboard->last == (key | extended)) {
        keyboard->last = 0;
    }
}

size_t kg_keyboard_feed(struct kg_keyboard *keyboard, uint8_t code, char typed[KG_KEY_BYTES])
{
    notice_set(keyboard, code);
    if (code == SET2_RELEASED && keyboard->set == 2) {
        keyboard->released = RELEASED;
        return 0;
    }
    if (code == PREFIX_EXTENDED) {
        keyboard->extended = EXTENDED;
        return 0;
    }
    if (code == PREFIX_PAUSE) {
        keyboard->skipped = 2;
        return 0;
    }
    uint8_t extended = keyboard->extended, released = keyboard->released;
    keyboard->extended = keyboard->released = 0;
    if (keyboard->skipped) {
        keyboard->skipped--;
        return 0;
    }
    if (code == 0x00 || code == 0xFF) { /* buffer overrun: some key releases may be lost */
        keyboard->held = keyboard->last = 0;
        return 0;
    }
    if (keyboard->set == 2) {
        code = code <= SET2_HIGHEST ? translation[code] : 0;
    } else {
        released = code & RELEASED;
        code &= (uint8_t)~RELEASED;
    }
    if (released) {
        release_key(keyboard, code, extended);
        return 0;
    }
    return press_key(keyboard, code, extended, typed);
}
