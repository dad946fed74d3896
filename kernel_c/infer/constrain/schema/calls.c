/* Calls of tools, whose arguments are valid for the tools' schemas: see kgpt/grammar.h. */
#include "schema.h"

static uint32_t build_span_of(struct kg_schema *s, struct kg_text text)
{
    return kg_build_text(s->b, text.data, text.n);
}

/* NAME `between` ARGUMENTS, as a rule. References in a schema begin at that schema. */
static uint32_t tool_rule(struct kg_schema *s, const struct kg_call_form *form, const struct kg_called_tool *tool)
{
    uint32_t list = kg_schema_chain(s, build_span_of(s, tool->name), build_span_of(s, form->between)), value;
    s->root = tool->parameters;
    s->place = tool->name;
    if (tool->parameters == KG_JSON_NONE || kg_json_first(s->tree, tool->parameters) == KG_JSON_NONE) {
        value = kg_schema_call(s, "json-object");
    } else if (kg_schema_types(s, tool->parameters) != KG_JSON_IS_OBJECT) {
        value = kg_schema_refuse(s, "the parameters of a tool must be of the type \"object\"");
    } else {
        value = kg_schema_value(s, tool->parameters);
    }
    kg_build_append(s->b, list, value);
    uint32_t rule = kg_schema_rule(s, "tool", list);
    kg_schema_read_referred(s); /* while this is their root */
    return kg_build_call(s->b, rule);
}

static enum kg_status build_calls(struct kg_schema *s, const struct kg_call_form *form,
                                  const struct kg_called_tool *tools, uint32_t n)
{
    enum kg_status status = kg_schema_begin(s);
    if (status != KG_OK) {
        return status;
    }
    uint32_t choice = kg_build_list(s->b, KG_EXPR_CHOICE);
    for (uint32_t i = 0; i < n && s->status == KG_OK && !s->b->full; i++) {
        kg_build_append(s->b, choice, tool_rule(s, form, &tools[i]));
    }
    uint32_t rule = kg_schema_rule(s, "call", choice);
    uint32_t list = kg_schema_chain(s, build_span_of(s, form->before), kg_build_call(s->b, rule));
    if (form->several) {
        uint32_t another = kg_schema_chain(s, build_span_of(s, form->again), kg_build_call(s->b, rule));
        kg_build_append(s->b, list, kg_build_repeat(s->b, another, 0, KG_ANY_NUMBER));
    }
    kg_build_append(s->b, list, build_span_of(s, form->after));
    return kg_schema_end(s, list);
}

enum kg_status kg_grammar_calls(struct kg_grammar *grammar, const struct kg_json_tree *tree,
                                const struct kg_call_form *form, const struct kg_called_tool *tools, uint32_t n,
                                struct kg_arena *arena, struct kg_arena *scratch, struct kg_error *error)
{
    struct kg_builder b;
    size_t used = scratch->used;
    struct kg_schema s = {.b = &b, .tree = tree, .error = error};
    enum kg_status status = kg_build_begin(&b, scratch) ? build_calls(&s, form, tools, n) : kg_grammar_full(error);
    if (status == KG_OK) {
        status = kg_emit_program(&b, kg_build_rule(&b, "root", 4, 0), grammar, arena, scratch, error);
    }
    kg_arena_rewind(scratch, used);
    return status;
}
