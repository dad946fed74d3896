/* Grammars made from JSON schemas (docs/constrained.md). */
#ifndef KGPT_GRAMMAR_SCHEMA_H
#define KGPT_GRAMMAR_SCHEMA_H

#include "kgpt/grammar.h"
#include "kgpt/json_read.h"

/* As kg_grammar_read, for JSON that is valid for a schema: `schema` is a value of a text that was read, such as a
 * request's, and references ("#/$defs/…") begin there. Refusals name the keyword. kg_grammar_read_schema takes the text
 * of the schema. {"type": "object"} is any object, and {} any value. docs/constrained.md lists the keywords. */
enum kg_status kg_grammar_schema(struct kg_grammar *grammar, const struct kg_json_tree *tree, uint32_t schema,
                                 struct kg_arena *arena, struct kg_arena *scratch, struct kg_error *error);
enum kg_status kg_grammar_read_schema(struct kg_grammar *grammar, struct kg_text json, struct kg_arena *arena,
                                      struct kg_arena *scratch, struct kg_error *error);

/* The same for calls of tools: `before` NAME `between` ARGUMENTS `after`. With `several` others may follow, each
 * as `again` NAME `between` ARGUMENTS before `after`. */
struct kg_call_form {
    struct kg_text before, between, again, after;
    bool several;
};
struct kg_called_tool {
    struct kg_text name; /* it needs no escapes in JSON */
    uint32_t parameters; /* a schema of an object in the tree; KG_JSON_NONE: any object */
};
enum kg_status kg_grammar_calls(struct kg_grammar *grammar, const struct kg_json_tree *tree,
                                const struct kg_call_form *form, const struct kg_called_tool *tools, uint32_t n,
                                struct kg_arena *arena, struct kg_arena *scratch, struct kg_error *error);

#endif
