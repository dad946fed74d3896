/* JSON as Python's json.dumps writes it, which chat templates call: see tools.h. */
#include "app/server/tools.h"

#define GROWS 2u /* bytes of output for one of the text, at most: a space behind each comma and colon */

static void put_python_string(struct kg_http_out *out, struct kg_text text)
{
    static const char named[] = "\b\t\n\f\r\"\\", letters[] = "btnfr\"\\";
    kg_http_put(out, "\"", 1);
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.data[i];
        size_t which = 0;
        while (named[which] && (unsigned char)named[which] != c) {
            which++;
        }
        if (named[which]) {
            kg_http_put(out, "\\", 1);
            kg_http_put(out, letters + which, 1);
        } else if (c < 0x20) {
            kg_http_say(out, "\\u%04x", (unsigned)c);
        } else {
            kg_http_put(out, text.data + i, 1);
        }
    }
    kg_http_put(out, "\"", 1);
}

/* Lists and objects that are open, the innermost last. */
struct open_values {
    struct {
        uint32_t end;          /* the value behind it */
        bool object, any, key; /* any: it holds a value before; key: the last one is a key */
    } list[KG_JSON_DEPTH + 1];
    uint32_t n;
};

static void close_values(struct open_values *open, struct kg_http_out *out, uint32_t at)
{
    while (open->n && open->list[open->n - 1].end == at) {
        open->n--;
        kg_http_put(out, open->list[open->n].object ? "}" : "]", 1);
    }
}

/* What stands between a value and the one before it. */
static void separate_values(struct open_values *open, struct kg_http_out *out)
{
    if (!open->n) {
        return;
    }
    bool after_key = open->list[open->n - 1].object && open->list[open->n - 1].key;
    if (open->list[open->n - 1].any) {
        kg_http_put(out, after_key ? ": " : ", ", 2);
    }
    open->list[open->n - 1].any = true;
    open->list[open->n - 1].key = !after_key;
}

bool kg_json_as_python(const struct kg_json_tree *tree, uint32_t value, struct kg_arena *arena, struct kg_text *text)
{
    static const char *const words[] = {"null", "false", "true"};
    size_t room = GROWS * (size_t)tree->values[value].n + 8;
    struct kg_http_out out = {.data = kg_arena_take(arena, room), .size = room};
    struct open_values open = {.n = 0};
    for (uint32_t i = value; out.data && i < tree->values[value].next; i++) {
        const struct kg_json_value *v = &tree->values[i];
        close_values(&open, &out, i);
        separate_values(&open, &out);
        if (v->kind == KG_JSON_LIST || v->kind == KG_JSON_OBJECT) {
            kg_http_put(&out, v->kind == KG_JSON_OBJECT ? "{" : "[", 1);
            open.list[open.n].object = v->kind == KG_JSON_OBJECT;
            open.list[open.n].any = open.list[open.n].key = false;
            open.list[open.n++].end = v->next;
        } else if (v->kind == KG_JSON_STRING) {
            put_python_string(&out, kg_json_string(tree, i));
        } else if (v->kind == KG_JSON_NUMBER) {
            kg_http_put(&out, tree->text + v->at, v->n);
        } else {
            kg_http_say(&out, "%s", words[v->kind]);
        }
    }
    close_values(&open, &out, tree->values[value].next);
    *text = (struct kg_text){out.data, out.n};
    return out.data && !out.full;
}
