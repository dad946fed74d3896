/* Lists: see schema.h. */
#include "schema.h"

#include "kgpt/format.h"

/* A list while it is read. */
struct list {
    uint32_t prefix, n_prefix; /* prefixItems, and how many of them can be there */
    uint32_t least, most;
    uint32_t rest; /* the schema of further items; KG_JSON_NONE: any */
    bool closed;   /* there are no further items */
};

/* An item, and white space; a comma before it. */
static uint32_t spaced_item(struct kg_schema *s, uint32_t item, bool comma)
{
    uint32_t list = kg_build_list(s->b, KG_EXPR_SEQUENCE);
    if (comma) {
        kg_build_append(s->b, list, kg_schema_text(s, ","));
        kg_build_append(s->b, list, kg_schema_call(s, "ws"));
    }
    kg_build_append(s->b, list, item);
    kg_build_append(s->b, list, kg_schema_call(s, "ws"));
    return list;
}

static uint32_t rest_item(struct kg_schema *s, const struct list *l)
{
    return l->rest == KG_JSON_NONE ? kg_schema_call(s, "json-value") : kg_schema_value(s, l->rest);
}

static bool read_list(struct kg_schema *s, uint32_t schema, struct list *l)
{
    const struct kg_json_tree *t = s->tree;
    l->prefix = kg_json_member(t, schema, "prefixItems");
    l->rest = kg_json_member(t, schema, "items");
    if (!kg_schema_count(s, schema, "minItems", 0, &l->least) ||
        !kg_schema_count(s, schema, "maxItems", KG_ANY_NUMBER, &l->most)) {
        return false;
    }
    bool tuple = l->prefix != KG_JSON_NONE;
    if ((tuple && t->values[l->prefix].kind != KG_JSON_LIST) ||
        (l->rest != KG_JSON_NONE && t->values[l->rest].kind == KG_JSON_LIST)) {
        kg_schema_refuse(s, tuple ? "\"prefixItems\" is a list of schemas"
                                  : "\"items\" is one schema: write \"prefixItems\" for a list of them");
        return false;
    }
    for (uint32_t i = tuple ? kg_json_first(t, l->prefix) : KG_JSON_NONE; i != KG_JSON_NONE && l->n_prefix < l->most;
         i = kg_json_after(t, l->prefix, i)) {
        l->n_prefix++;
    }
    /* Without "items" a tuple has no further ones, unless minItems asks for them. */
    l->closed = l->rest == KG_JSON_NONE ? tuple && l->least <= l->n_prefix : t->values[l->rest].kind == KG_JSON_FALSE;
    l->most = l->closed && l->most > l->n_prefix ? l->n_prefix : l->most;
    if (l->least > l->most) {
        kg_schema_refuse(s, "\"minItems\" is more than the items that there can be");
        return false;
    }
    return true;
}

/* The items behind the prefix, each with its comma. */
static uint32_t further_items(struct kg_schema *s, const struct list *l)
{
    uint32_t least = l->least > l->n_prefix ? l->least - l->n_prefix : 0;
    uint32_t most = l->most == KG_ANY_NUMBER ? l->most : l->most - l->n_prefix;
    if (most == 0) {
        return kg_schema_text(s, "");
    }
    return kg_build_repeat(s->b, spaced_item(s, rest_item(s, l), true), least, most);
}

/* A tuple, from its last item to its first: each may end the list if there are enough before. */
static uint32_t tuple_items(struct kg_schema *s, const struct list *l)
{
    uint32_t items = further_items(s, l), i = l->n_prefix;
    while (i > 0 && s->status == KG_OK && !s->b->full) {
        uint32_t n = 0, item = kg_json_first(s->tree, l->prefix);
        for (i--; n < i; n++) {
            item = kg_json_after(s->tree, l->prefix, item);
        }
        uint32_t rule =
            kg_schema_rule(s, "tuple", kg_schema_chain(s, spaced_item(s, kg_schema_value(s, item), i > 0), items));
        items = kg_build_repeat(s->b, kg_build_call(s->b, rule), i < l->least, 1);
    }
    return items;
}

/* Items that are all alike. */
static uint32_t plain_items(struct kg_schema *s, const struct list *l)
{
    struct kg_builder *b = s->b;
    if (l->most == 0) {
        return kg_schema_text(s, "");
    }
    uint32_t rule = kg_schema_rule(s, "item", rest_item(s, l));
    uint32_t first = spaced_item(s, kg_build_call(b, rule), false), more = spaced_item(s, kg_build_call(b, rule), true);
    more = kg_build_repeat(b, more, l->least ? l->least - 1 : 0, l->most == KG_ANY_NUMBER ? l->most : l->most - 1);
    return kg_build_repeat(b, kg_schema_chain(s, first, more), l->least > 0, 1);
}

uint32_t kg_schema_list(struct kg_schema *s, uint32_t schema)
{
    struct list l = {0};
    if (!read_list(s, schema, &l)) {
        return 0;
    }
    uint32_t list = kg_build_list(s->b, KG_EXPR_SEQUENCE);
    kg_build_append(s->b, list, kg_schema_text(s, "["));
    kg_build_append(s->b, list, kg_schema_call(s, "ws"));
    kg_build_append(s->b, list, l.n_prefix ? tuple_items(s, &l) : plain_items(s, &l));
    kg_build_append(s->b, list, kg_schema_text(s, "]"));
    return list;
}
