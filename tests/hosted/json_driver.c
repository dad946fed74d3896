/* Reads a JSON text and writes what it says, for a comparison with other readers: n, t, f; d and the bits of a double;
 * w, a sign and a magnitude behind d if it is a whole number; s and the bytes of a string; brackets around others. */
#include "kgpt/format.h"
#include "kgpt/json_read.h"
#include "kgpt/mem.h"

static size_t n_out, room_out;
static char *text_out;

static void say(const char *text)
{
    n_out += kg_format(text_out + n_out, room_out - n_out, "%s", text);
}

static void say_number(const struct kg_json_tree *tree, uint32_t i)
{
    double number = kg_json_number(tree, i);
    uint64_t bits, magnitude;
    bool negative;
    memcpy(&bits, &number, sizeof bits);
    n_out += kg_format(text_out + n_out, room_out - n_out, "d%lx", (unsigned long)bits);
    if (kg_json_whole(tree, i, &magnitude, &negative)) {
        n_out += kg_format(text_out + n_out, room_out - n_out, "w%s%lu", negative ? "-" : "", (unsigned long)magnitude);
    }
}

static void say_string(struct kg_text text)
{
    say("s");
    for (size_t i = 0; i < text.n; i++) {
        n_out += kg_format(text_out + n_out, room_out - n_out, "%02x", (unsigned char)text.data[i]);
    }
}

static void say_value(const struct kg_json_tree *tree, uint32_t i)
{
    bool list = tree->values[i].kind == KG_JSON_LIST;
    switch (tree->values[i].kind) {
    case KG_JSON_NULL: say("n"); return;
    case KG_JSON_FALSE: say("f"); return;
    case KG_JSON_TRUE: say("t"); return;
    case KG_JSON_NUMBER: say_number(tree, i); return;
    case KG_JSON_STRING: say_string(kg_json_string(tree, i)); return;
    case KG_JSON_LIST:
    case KG_JSON_OBJECT: break;
    }
    say(list ? "[" : "{");
    for (uint32_t each = kg_json_first(tree, i); each != KG_JSON_NONE; each = kg_json_after(tree, i, each)) {
        say_value(tree, each); /* at most as deep as KG_JSON_DEPTH */
        say(",");
    }
    say(list ? "]" : "}");
}

bool driver_json(char *text, size_t n, struct kg_json_value *values, uint32_t room, char *out, size_t out_room)
{
    struct kg_json_tree tree = {.values = values, .room = room};
    text_out = out;
    room_out = out_room;
    n_out = 0;
    if (!kg_json_read(&tree, text, n)) {
        n_out = kg_format(out, out_room, "%s at %zu", tree.problem, tree.problem_at);
        return false;
    }
    say_value(&tree, 0);
    return true;
}
