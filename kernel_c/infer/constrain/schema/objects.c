/* Objects: their properties come in the order of the schema. See schema.h. */
#include "schema.h"

#include "kgpt/mem.h"
#include "kgpt/utf8.h"

#define NAME_DEPTH 16u /* characters of names that others are told apart by */
#define MOST_CHARS 64u /* that names go on with */

/* An object while it is read. */
struct object {
    uint32_t properties, required; /* KG_JSON_NONE: none */
    uint32_t others;               /* the schema of other properties; KG_JSON_NONE: any */
    bool open;                     /* there can be others */
};

static bool same_text(struct kg_text a, struct kg_text b)
{
    return a.n == b.n && memcmp(a.data, b.data, a.n) == 0;
}

/* The first string of a list that says so, or KG_JSON_NONE. */
static uint32_t first_saying(const struct kg_json_tree *t, uint32_t list, struct kg_text name)
{
    for (uint32_t i = list == KG_JSON_NONE ? list : kg_json_first(t, list); i != KG_JSON_NONE;
         i = kg_json_after(t, list, i)) {
        if (t->values[i].kind == KG_JSON_STRING && same_text(kg_json_string(t, i), name)) {
            return i;
        }
    }
    return KG_JSON_NONE;
}

static bool object_says(const struct kg_json_tree *t, uint32_t object, struct kg_text name)
{
    for (uint32_t key = object == KG_JSON_NONE ? object : kg_json_first(t, object); key != KG_JSON_NONE;
         key = kg_json_after(t, object, kg_json_after(t, object, key))) {
        if (same_text(kg_json_string(t, key), name)) {
            return true;
        }
    }
    return false;
}

/* Goes through all names of an object: those of its properties, then those that are required beside them. */
struct names {
    const struct kg_json_tree *t;
    const struct object *o;
    uint32_t at;
    bool in_required;
};

static struct names first_name(const struct kg_json_tree *t, const struct object *o)
{
    struct names n = {t, o, o->properties == KG_JSON_NONE ? KG_JSON_NONE : kg_json_first(t, o->properties), false};
    return n;
}

/* False: there is no other name. *schema: that of the property, KG_JSON_NONE if it has none of its own. */
static bool next_name(struct names *n, struct kg_text *name, uint32_t *schema)
{
    const struct kg_json_tree *t = n->t;
    if (!n->in_required && n->at != KG_JSON_NONE) {
        *name = kg_json_string(t, n->at);
        *schema = kg_json_after(t, n->o->properties, n->at);
        n->at = kg_json_after(t, n->o->properties, *schema);
        return true;
    }
    if (!n->in_required) {
        n->in_required = true;
        n->at = n->o->required == KG_JSON_NONE ? KG_JSON_NONE : kg_json_first(t, n->o->required);
    }
    while (n->at != KG_JSON_NONE) {
        uint32_t found = n->at;
        n->at = kg_json_after(t, n->o->required, found);
        *name = kg_json_string(t, found);
        *schema = KG_JSON_NONE;
        if (!object_says(t, n->o->properties, *name) && first_saying(t, n->o->required, *name) == found) {
            return true;
        }
    }
    return false;
}

static bool read_object(struct kg_schema *s, uint32_t schema, struct object *o)
{
    const struct kg_json_tree *t = s->tree;
    o->properties = kg_json_member(t, schema, "properties");
    o->required = kg_json_member(t, schema, "required");
    o->others = kg_json_member(t, schema, "additionalProperties");
    if (o->properties != KG_JSON_NONE && t->values[o->properties].kind != KG_JSON_OBJECT) {
        kg_schema_refuse(s, "\"properties\" is an object");
        return false;
    }
    if (o->required != KG_JSON_NONE && t->values[o->required].kind != KG_JSON_LIST) {
        kg_schema_refuse(s, "\"required\" is a list of names");
        return false;
    }
    for (uint32_t i = o->required == KG_JSON_NONE ? o->required : kg_json_first(t, o->required); i != KG_JSON_NONE;
         i = kg_json_after(t, o->required, i)) {
        if (t->values[i].kind != KG_JSON_STRING) {
            kg_schema_refuse(s, "\"required\" is a list of names");
            return false;
        }
        struct kg_text name = kg_json_string(t, i);
        bool closed = o->others != KG_JSON_NONE && t->values[o->others].kind == KG_JSON_FALSE;
        if (closed && !object_says(t, o->properties, name)) {
            kg_schema_refuse(s, "\"%.*s\" is required, but is none of the properties", (int)(name.n < 64 ? name.n : 64),
                             name.data);
            return false;
        }
    }
    /* Where properties are named, others have to be asked for: models would go on with them without an end. */
    o->open = o->others == KG_JSON_NONE ? o->properties == KG_JSON_NONE : t->values[o->others].kind != KG_JSON_FALSE;
    return true;
}

static bool begins_with(struct kg_text text, struct kg_text prefix)
{
    return text.n >= prefix.n && memcmp(text.data, prefix.data, prefix.n) == 0;
}

/* The character of a name at a place; false: the name ends there. */
static bool char_at(struct kg_text name, size_t at, uint32_t *code, size_t *length)
{
    *length = at < name.n ? kg_utf8_length(name.data + at, name.n - at) : 0;
    *code = *length ? kg_utf8_code(name.data + at, *length) : 0;
    return *length > 0;
}

/* Does a name before `end` go on with the same character behind the prefix? */
static bool is_repeated(const struct kg_schema *s, const struct object *o, struct kg_text prefix, struct kg_text end,
                        uint32_t code)
{
    struct kg_text name;
    uint32_t schema, other;
    size_t length;
    for (struct names names = first_name(s->tree, o); next_name(&names, &name, &schema) && name.data != end.data;) {
        if (begins_with(name, prefix) && char_at(name, prefix.n, &other, &length) && other == code) {
            return true;
        }
    }
    return false;
}

/* All characters behind the prefix that no name has there, and that need no escape. Not inlined: its frame is large,
 * and its caller is recursive. */
static __attribute__((noinline)) uint32_t other_chars(struct kg_schema *s, const struct object *o,
                                                      struct kg_text prefix)
{
    struct kg_code_range used[MOST_CHARS + 3] = {{0, 0x1F}, {'"', '"'}, {'\\', '\\'}}, free[MOST_CHARS + 4];
    uint32_t n = 3, schema, code;
    struct kg_text name;
    size_t length;
    for (struct names names = first_name(s->tree, o); next_name(&names, &name, &schema);) {
        if (begins_with(name, prefix) && char_at(name, prefix.n, &code, &length) &&
            !is_repeated(s, o, prefix, name, code)) {
            if (n == MOST_CHARS + 3) {
                return kg_schema_refuse(s, "\"additionalProperties\" beside so many names is not supported");
            }
            used[n++] = (struct kg_code_range){code, code};
        }
    }
    n = kg_ranges_join(used, n);
    return kg_build_class(s->b, free, kg_ranges_invert(used, n, free));
}

/* The rest of a name that is none of the object's, behind `prefix`, which some of those begin with. Names are told
 * apart without escapes: those that need some are never made. A long name is told apart by its beginning. */
static uint32_t other_name(struct kg_schema *s, const struct object *o, struct kg_text prefix, uint32_t depth)
{
    struct kg_builder *b = s->b;
    uint32_t schema, code, choice = kg_build_list(b, KG_EXPR_CHOICE);
    bool ends = false;
    struct kg_text name;
    size_t length;
    for (struct names names = first_name(s->tree, o); next_name(&names, &name, &schema) && !b->full;) {
        if (!begins_with(name, prefix)) {
            continue;
        }
        if (!char_at(name, prefix.n, &code, &length)) {
            ends = true;
        } else if (depth < NAME_DEPTH && code >= 0x20 && code != '"' && code != '\\' &&
                   !is_repeated(s, o, prefix, name, code)) {
            uint32_t more = other_name(s, o, (struct kg_text){name.data, prefix.n + length}, depth + 1);
            kg_build_append(b, choice, kg_schema_chain(s, kg_build_text(b, name.data + prefix.n, length), more));
        }
    }
    kg_build_append(b, choice, kg_schema_chain(s, other_chars(s, o, prefix), kg_schema_call(s, "json-plain")));
    if (!ends) {
        kg_build_append(b, choice, kg_schema_text(s, ""));
    }
    return choice;
}

/* `"name": value` and white space, as a rule: a property can be the first, or a later one. */
static uint32_t property_rule(struct kg_schema *s, struct kg_text name, uint32_t schema)
{
    struct kg_text before = s->place;
    s->place = name;
    uint32_t list = kg_build_list(s->b, KG_EXPR_SEQUENCE);
    kg_build_append(s->b, list, kg_schema_json_text(s, name));
    kg_build_append(s->b, list, kg_schema_text(s, ":"));
    kg_build_append(s->b, list, kg_schema_call(s, "ws"));
    kg_build_append(s->b, list, schema == KG_JSON_NONE ? kg_schema_call(s, "json-value") : kg_schema_value(s, schema));
    kg_build_append(s->b, list, kg_schema_call(s, "ws"));
    s->place = before;
    return kg_schema_rule(s, "property", list);
}

static uint32_t other_rule(struct kg_schema *s, const struct object *o)
{
    uint32_t list = kg_schema_chain(s, kg_schema_text(s, "\""), other_name(s, o, (struct kg_text){"", 0}, 0));
    kg_build_append(s->b, list, kg_schema_text(s, "\":"));
    kg_build_append(s->b, list, kg_schema_call(s, "ws"));
    kg_build_append(s->b, list,
                    o->others == KG_JSON_NONE ? kg_schema_call(s, "json-value") : kg_schema_value(s, o->others));
    kg_build_append(s->b, list, kg_schema_call(s, "ws"));
    return kg_schema_rule(s, "other", list);
}

static uint32_t with_comma(struct kg_schema *s, uint32_t rule)
{
    uint32_t list = kg_schema_chain(s, kg_schema_text(s, ","), kg_schema_call(s, "ws"));
    kg_build_append(s->b, list, kg_build_call(s->b, rule));
    return list;
}

/* The properties from the last one to the first. Behind each stands what may follow it: `later`. Of those up to the
 * first required one, each can begin the object: they are alternatives of `first`. */
struct members {
    uint32_t later; /* rule */
    uint32_t first; /* choice */
    bool may_be_empty;
};

static void add_member(struct kg_schema *s, struct members *m, uint32_t rule, bool required)
{
    struct kg_builder *b = s->b;
    uint32_t begins = kg_schema_chain(s, kg_build_call(b, rule), kg_build_call(b, m->later));
    if (required) { /* none of those behind it can be the first */
        m->first = kg_build_list(b, KG_EXPR_CHOICE);
        m->may_be_empty = false;
    }
    kg_build_append(b, m->first, begins);
    uint32_t follows = kg_build_repeat(b, with_comma(s, rule), required, 1);
    m->later = kg_schema_rule(s, "later", kg_schema_chain(s, follows, kg_build_call(b, m->later)));
}

static void add_others(struct kg_schema *s, const struct object *o, struct members *m)
{
    struct kg_builder *b = s->b;
    m->first = kg_build_list(b, KG_EXPR_CHOICE);
    m->may_be_empty = true;
    if (!o->open) {
        m->later = kg_schema_rule(s, "later", kg_schema_text(s, ""));
        return;
    }
    uint32_t rule = other_rule(s, o);
    m->later = kg_schema_rule(s, "later", kg_build_repeat(b, with_comma(s, rule), 0, KG_ANY_NUMBER));
    kg_build_append(b, m->first, kg_schema_chain(s, kg_build_call(b, rule), kg_build_call(b, m->later)));
}

/* The name number `i`. */
static bool name_number(const struct kg_json_tree *t, const struct object *o, uint32_t i, struct kg_text *name,
                        uint32_t *schema)
{
    struct names names = first_name(t, o);
    bool found = next_name(&names, name, schema);
    for (; found && i > 0; i--) {
        found = next_name(&names, name, schema);
    }
    return found;
}

uint32_t kg_schema_object(struct kg_schema *s, uint32_t schema)
{
    struct object o;
    struct members m;
    struct kg_text name;
    uint32_t n = 0, of_name;
    if (!read_object(s, schema, &o)) {
        return 0;
    }
    for (struct names names = first_name(s->tree, &o); next_name(&names, &name, &of_name);) {
        n++;
    }
    add_others(s, &o, &m);
    for (uint32_t i = n; i > 0 && s->status == KG_OK && !s->b->full; i--) {
        name_number(s->tree, &o, i - 1, &name, &of_name);
        add_member(s, &m, property_rule(s, name, of_name == KG_JSON_NONE ? o.others : of_name),
                   first_saying(s->tree, o.required, name) != KG_JSON_NONE);
    }
    if (s->status != KG_OK || s->b->full) {
        return 0;
    }
    uint32_t list = kg_schema_chain(s, kg_schema_text(s, "{"), kg_schema_call(s, "ws"));
    bool nothing = s->b->exprs[m.first].first == KG_NO_EXPR;
    if (!nothing) {
        kg_build_append(s->b, list, kg_build_repeat(s->b, m.first, !m.may_be_empty, 1));
    }
    kg_build_append(s->b, list, kg_schema_text(s, "}"));
    return list;
}
