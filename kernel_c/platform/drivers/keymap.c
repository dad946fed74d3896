/* The layout of keyboards: keymap=. One for all of them. */
#include "keymap.h"

#include "kgpt/platform.h"
#include "kgpt/str.h"

#define PREFIX_EXTENDED 0xE0
#define EXTENDED 0x80
#define RELEASED 0x80

static const struct kg_layout *chosen;

bool plat_keymap(const char *name)
{
    chosen = kg_layout_named(name);
    return chosen || kg_streq(name, "us");
}

const struct kg_layout *kg_keymap(void)
{
    return chosen;
}

size_t kg_keymap_feed(struct kg_keyboard *decoder, uint8_t code, bool pressed, char typed[KG_KEY_BYTES])
{
    decoder->layout = kg_keymap();
    if (code & EXTENDED) {
        kg_keyboard_feed(decoder, PREFIX_EXTENDED, typed);
    }
    return kg_keyboard_feed(decoder, (uint8_t)((code & ~EXTENDED) | (pressed ? 0 : RELEASED)), typed);
}
