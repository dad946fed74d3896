/* Keyboard layouts and dead keys: the rows of layouts.def. */
#include "kgpt/keyboard.h"
#include "kgpt/str.h"
#include "kgpt/utf8.h"

#define FIRST_MARK 0x300u /* combining marks: dead keys */
#define LAST_MARK 0x36Fu
#define LETTER_CASES 0x20u /* between a small Latin letter and its capital */
#define AT_102ND 37u

struct accent {
    uint16_t mark, alone;
    const char *letters;
};

static const struct accent accents[] = {
#define KG_ACCENT(mark, alone, letters) {mark, alone, letters},
#include "layouts.def"
};

/* Where the rows of `plain` begin, and the make codes of their first keys. */
static const struct {
    uint8_t first, n, at;
} rows[] = {{0x29, 1, 0},  {0x02, 12, 1},       {0x10, 12, 13}, {0x1E, 11, 25},
            {0x2B, 1, 36}, {0x56, 1, AT_102ND}, {0x2C, 10, 38}};

static const char *next_of(const char *text, uint32_t *code)
{
    size_t n = kg_utf8_length(text, 4);
    *code = n ? kg_utf8_code(text, n) : 0;
    return text + n;
}

static uint32_t character_at(const char *text, uint32_t i)
{
    uint32_t code = 0;
    do {
        text = next_of(text, &code);
    } while (code && i-- > 0);
    return code;
}

/* The second of the pair that begins with `code`; 0: there is none. */
static uint32_t partner_of(const char *pairs, uint32_t code)
{
    uint32_t first, second;
    do {
        pairs = next_of(pairs, &first);
        pairs = first ? next_of(pairs, &second) : pairs;
    } while (first && first != code);
    return first ? second : 0;
}

static bool has_capital(uint32_t plain, uint32_t shifted)
{
    bool letter = (plain >= 'a' && plain <= 'z') || (plain >= 0xE0 && plain <= 0xFE && plain != 0xF7);
    return letter && shifted == plain - LETTER_CASES;
}

/* The character of a key; 0: it is none of the layout's. */
static uint32_t layout_character(const struct kg_layout *layout, uint8_t key, struct kg_key_state state)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (key >= rows[i].first && key < rows[i].first + rows[i].n) {
            uint32_t at = rows[i].at + (uint32_t)(key - rows[i].first);
            uint32_t plain = character_at(layout->plain, at), shifted = character_at(layout->shifted, at);
            uint32_t third = state.altgr ? partner_of(layout->altgr, plain) : 0;
            bool caps = state.caps && has_capital(plain, shifted);
            return third ? third : state.shift != caps ? shifted : plain;
        }
    }
    return 0;
}

static const struct accent *accent_of(uint32_t mark)
{
    const struct accent *accent = accents;
    while (accent->mark != mark) {
        accent++;
    }
    return accent;
}

/* After a dead key: a letter with the accent; the accent alone for a space and for another dead key; or both. */
static size_t join_accent(const struct accent *accent, uint32_t code, uint32_t typed[2])
{
    uint32_t joined = partner_of(accent->letters, code);
    bool mark = code >= FIRST_MARK && code <= LAST_MARK;
    typed[0] = joined ? joined : accent->alone;
    typed[1] = mark ? accent_of(code)->alone : code;
    return joined || code == ' ' || (mark && code == accent->mark) ? 1 : 2;
}

static size_t type_in_layout(const struct kg_layout *layout, uint8_t key, struct kg_key_state state, uint16_t *accent,
                             uint32_t typed[2])
{
    uint32_t code = layout_character(layout, key, state), before = *accent;
    code = code ? code : (uint8_t)state.us;
    *accent = 0;
    if (before && code >= ' ' && code != 0x7F) {
        return join_accent(accent_of(before), code, typed);
    }
    if (code >= FIRST_MARK && code <= LAST_MARK) {
        *accent = (uint16_t)code;
        return 0;
    }
    typed[0] = code;
    return code ? 1 : 0;
}

static const struct kg_layout layouts[] = {
#define KG_LAYOUT(name, plain, shifted, altgr) {name, plain, shifted, altgr, type_in_layout},
#include "layouts.def"
};

const struct kg_layout *kg_layout_named(const char *name)
{
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        if (kg_streq(layouts[i].name, name)) {
            return &layouts[i];
        }
    }
    return NULL;
}
