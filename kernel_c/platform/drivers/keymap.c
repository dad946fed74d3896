/* The layout of keyboards: keymap=. One for all of them. */
#include "keymap.h"

#include "kgpt/platform.h"
#include "kgpt/str.h"

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
