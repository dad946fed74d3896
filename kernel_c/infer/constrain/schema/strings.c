/* Strings: their length, their format, and a pattern. See schema.h. */
#include "schema.h"

static uint32_t quoted(struct kg_schema *s, uint32_t inside)
{
    uint32_t list = kg_schema_chain(s, kg_schema_text(s, "\""), inside);
    kg_build_append(s->b, list, kg_schema_text(s, "\""));
    return list;
}

static uint32_t formatted(struct kg_schema *s, uint32_t format)
{
    static const char *const names[] = {"date", "time", "date-time", "uuid"};
    for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (kg_json_says(s->tree, format, names[i])) {
            return quoted(s, kg_schema_call(s, names[i]));
        }
    }
    bool text = s->tree->values[format].kind == KG_JSON_STRING;
    struct kg_text name = text ? kg_json_string(s->tree, format) : (struct kg_text){"", 0};
    return kg_schema_refuse(s, "the format \"%.*s\" is not supported: date, time, date-time and uuid are",
                            (int)(name.n < 64 ? name.n : 64), name.data);
}

uint32_t kg_schema_string(struct kg_schema *s, uint32_t schema)
{
    const struct kg_json_tree *t = s->tree;
    uint32_t format = kg_json_member(t, schema, "format"), pattern = kg_json_member(t, schema, "pattern"), least, most;
    bool sized = kg_json_member(t, schema, "minLength") != KG_JSON_NONE ||
                 kg_json_member(t, schema, "maxLength") != KG_JSON_NONE;
    if ((format != KG_JSON_NONE) + (pattern != KG_JSON_NONE) + sized > 1) {
        return kg_schema_refuse(s, "of \"format\", \"pattern\" and a length only one is supported at a time");
    }
    if (format != KG_JSON_NONE) {
        return formatted(s, format);
    }
    if (pattern != KG_JSON_NONE) {
        if (t->values[pattern].kind != KG_JSON_STRING) {
            return kg_schema_refuse(s, "\"pattern\" is a string");
        }
        return quoted(s, kg_schema_pattern(s, kg_json_string(t, pattern)));
    }
    if (!sized) {
        return kg_schema_call(s, "json-string");
    }
    if (!kg_schema_count(s, schema, "minLength", 0, &least) ||
        !kg_schema_count(s, schema, "maxLength", KG_ANY_NUMBER, &most)) {
        return 0;
    }
    if (least > most) {
        return kg_schema_refuse(s, "\"minLength\" is above \"maxLength\"");
    }
    return quoted(s, kg_build_repeat(s->b, kg_schema_call(s, "json-char"), least, most));
}
