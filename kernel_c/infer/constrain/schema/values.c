/* Values of JSON, written out: see schema.h. */
#include "schema.h"

#include "kgpt/format.h"

/* A string in quotes. Its text is cut into pieces, since an escape is longer than its character. */
uint32_t kg_schema_json_text(struct kg_schema *s, struct kg_text text)
{
    struct kg_builder *b = s->b;
    uint32_t list = kg_build_list(b, KG_EXPR_SEQUENCE);
    char out[64];
    size_t n = 0;
    out[n++] = '"';
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (n > sizeof out - 8) {
            kg_build_append(b, list, kg_build_text(b, out, n));
            n = 0;
        }
        if (c < 0x20) {
            n += kg_format(out + n, sizeof out - n, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\u%04x", c);
        } else {
            if (c == '"' || c == '\\') {
                out[n++] = '\\';
            }
            out[n++] = (char)c;
        }
    }
    out[n++] = '"';
    kg_build_append(b, list, kg_build_text(b, out, n));
    return list;
}

static uint32_t write_constants(struct kg_schema *s, uint32_t parent, bool object)
{
    const struct kg_json_tree *t = s->tree;
    struct kg_builder *b = s->b;
    uint32_t list = kg_build_list(b, KG_EXPR_SEQUENCE), n = 0;
    kg_build_append(b, list, kg_schema_text(s, object ? "{" : "["));
    for (uint32_t i = kg_json_first(t, parent); i != KG_JSON_NONE; i = kg_json_after(t, parent, i), n++) {
        if (n) {
            kg_build_append(b, list, kg_schema_text(s, object && n % 2 ? ":" : ","));
        }
        kg_build_append(b, list, kg_schema_constant(s, i));
    }
    kg_build_append(b, list, kg_schema_text(s, object ? "}" : "]"));
    return list;
}

uint32_t kg_schema_constant(struct kg_schema *s, uint32_t value)
{
    const struct kg_json_value *v = &s->tree->values[value];
    if (s->depth == KG_BUILD_DEPTH) {
        return kg_schema_refuse(s, "it is nested deeper than %u", KG_BUILD_DEPTH);
    }
    s->depth++;
    uint32_t expr = v->kind == KG_JSON_STRING   ? kg_schema_json_text(s, kg_json_string(s->tree, value))
                    : v->kind == KG_JSON_LIST   ? write_constants(s, value, false)
                    : v->kind == KG_JSON_OBJECT ? write_constants(s, value, true)
                                                : kg_build_text(s->b, s->tree->text + v->at, v->n);
    s->depth--;
    return expr;
}
