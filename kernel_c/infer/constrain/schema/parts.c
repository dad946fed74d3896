/* Refusals of a schema, and shorthands for expressions: see schema.h. */
#include "schema.h"

#include "kgpt/format.h"

uint32_t kg_schema_refuse(struct kg_schema *s, const char *format, ...)
{
    char message[192];
    va_list arguments;
    if (s->status != KG_OK) {
        return 0;
    }
    va_start(arguments, format);
    kg_vformat(message, sizeof message, format, arguments);
    va_end(arguments);
    int n = (int)(s->place.n < 64 ? s->place.n : 64);
    s->status = kg_error_set(s->error, KG_E_INPUT, "the JSON schema%s%.*s%s: %s", n ? ", at \"" : "", n, s->place.data,
                             n ? "\"" : "", message);
    kg_error_hint(s->error, "docs/constrained.md lists what a schema can say");
    return 0;
}

uint32_t kg_schema_call(struct kg_schema *s, const char *rule)
{
    return kg_build_call(s->b, kg_build_rule(s->b, rule, kg_strlen(rule), 0));
}

uint32_t kg_schema_rule(struct kg_schema *s, const char *kind, uint32_t body)
{
    char name[24];
    size_t n = kg_format(name, sizeof name, "@%s%u", kind, s->b->n_rules); /* no rule of GBNF has such a name */
    uint32_t rule = kg_build_rule(s->b, name, n, 0);
    if (!s->b->full) {
        s->b->rules[rule].body = body;
    }
    return rule;
}

uint32_t kg_schema_text(struct kg_schema *s, const char *text)
{
    return kg_build_text(s->b, text, kg_strlen(text));
}

uint32_t kg_schema_chain(struct kg_schema *s, uint32_t a, uint32_t b)
{
    uint32_t list = kg_build_list(s->b, KG_EXPR_SEQUENCE);
    kg_build_append(s->b, list, a);
    kg_build_append(s->b, list, b);
    return list;
}
