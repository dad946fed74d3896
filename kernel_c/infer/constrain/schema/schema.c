/* Reads JSON schemas: see schema.h. */
#include "schema.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"

#define BYTES_PER_VALUE 2 /* of JSON, at least, with what separates values */

/* What every schema may need. White space is bounded: a model that only ever writes spaces comes to an end. */
static const char json_rules[] =
    "json-value ::= json-object | json-array | json-string | json-number | json-boolean | \"null\"\n"
    "json-object ::= \"{\" ws (json-member (\",\" ws json-member)*)? \"}\"\n"
    "json-member ::= json-string \":\" ws json-value ws\n"
    "json-array ::= \"[\" ws (json-value ws (\",\" ws json-value ws)*)? \"]\"\n"
    "json-string ::= \"\\\"\" json-char* \"\\\"\"\n"
    "json-char ::= [^\"\\\\\\x00-\\x1F] | \"\\\\\" ([\"\\\\/bfnrt] | \"u\" json-unit)\n"
    "json-plain ::= [^\"\\\\\\x00-\\x1F]*\n"
    "json-unit ::= [0-9a-cA-CE-Fe-f] hex hex hex | [dD] [0-7] hex hex\n"
    "json-boolean ::= \"true\" | \"false\"\n"
    "json-integer ::= \"-\"? (\"0\" | [1-9] [0-9]{0,14})\n"
    "json-number ::= json-integer (\".\" [0-9]{1,15})? ([eE] [-+]? [0-9] [0-9]?)?\n"
    "ws ::= \"\" | \" \" | \"\\n\" [ \\t]{0,20}\n"
    "hex ::= [0-9a-fA-F]\n"
    "year ::= [1-9] [0-9]{3}\n"
    "leap ::= [1-9] [0-9] (\"0\" [48] | [2468] [048] | [13579] [26]) | ([2468] [048] | [13579] [26]) \"00\"\n"
    "long ::= \"01\" | \"03\" | \"05\" | \"07\" | \"08\" | \"10\" | \"12\"\n"
    "short ::= \"04\" | \"06\" | \"09\" | \"11\"\n"
    "day28 ::= \"0\" [1-9] | \"1\" [0-9] | \"2\" [0-8]\n"
    "date ::= year \"-\" (long \"-\" (day28 | \"29\" | \"3\" [01]) | short \"-\" (day28 | \"29\" | \"30\") |"
    " \"02-\" day28) | leap \"-02-29\"\n"
    "hour ::= [01] [0-9] | \"2\" [0-3]\n"
    "minute ::= [0-5] [0-9]\n"
    "time ::= hour \":\" minute \":\" minute (\".\" [0-9]{1,6})? (\"Z\" | [-+] hour \":\" minute)\n"
    "date-time ::= date \"T\" time\n"
    "uuid ::= hex{8} \"-\" (hex{4} \"-\"){3} hex{12}\n";

/* A rule for the schema that a $ref names. Its body follows later: a schema may refer to itself. */
static uint32_t refer_to(struct kg_schema *s, uint32_t schema)
{
    char name[16];
    uint32_t target = kg_schema_target(s, schema);
    if (target == KG_JSON_NONE) {
        return 0;
    }
    size_t n = kg_format(name, sizeof name, "#%u", target); /* no rule of GBNF has such a name */
    return kg_build_call(s->b, kg_build_rule(s->b, name, n, target));
}

static uint32_t any_of(struct kg_schema *s, uint32_t list, bool one)
{
    const struct kg_json_tree *t = s->tree;
    uint32_t choice = kg_build_list(s->b, KG_EXPR_CHOICE), n = 0;
    for (uint32_t i = kg_json_first(t, list); i != KG_JSON_NONE && s->status == KG_OK; i = kg_json_after(t, list, i)) {
        for (uint32_t j = kg_json_after(t, list, i); one && j != KG_JSON_NONE; j = kg_json_after(t, list, j)) {
            if (!kg_schemas_differ(s, i, j)) {
                return kg_schema_refuse(s, "two schemas of oneOf may both be valid: give them different types, or a "
                                           "required property with different constants, or write anyOf");
            }
        }
        kg_build_append(s->b, choice, kg_schema_value(s, i));
        n++;
    }
    return n ? choice : kg_schema_refuse(s, "anyOf and oneOf are lists of schemas");
}

/* anyOf, oneOf, or allOf with one schema. A type beside them must not restrict them. */
static uint32_t choose_schema(struct kg_schema *s, uint32_t schema, uint32_t types)
{
    static const char *const names[] = {"anyOf", "oneOf", "allOf"};
    uint32_t lists[3], which = 3;
    for (uint32_t i = 0; i < 3; i++) {
        lists[i] = kg_json_member(s->tree, schema, names[i]);
        if (lists[i] != KG_JSON_NONE && which < 3) {
            return kg_schema_refuse(s, "\"%s\" beside \"%s\" is not supported", names[i], names[which]);
        }
        which = lists[i] != KG_JSON_NONE ? i : which;
    }
    uint32_t list = lists[which], only = kg_json_first(s->tree, list);
    if (s->tree->values[list].kind != KG_JSON_LIST) {
        return kg_schema_refuse(s, "\"%s\" is a list of schemas", names[which]);
    }
    if (which == 2 && (only == KG_JSON_NONE || kg_json_after(s->tree, list, only) != KG_JSON_NONE)) {
        return kg_schema_refuse(s, "\"allOf\" is supported with one schema only");
    }
    for (uint32_t i = only; i != KG_JSON_NONE; i = kg_json_after(s->tree, list, i)) {
        if (kg_schema_types(s, i) & ~types) {
            return kg_schema_refuse(s, "\"type\" beside \"%s\" is not supported unless all its schemas have that type",
                                    names[which]);
        }
    }
    return which == 2 ? kg_schema_value(s, only) : any_of(s, list, which == 1);
}

/* One of the values of a list that have one of the types. What a value is made of lies in a row in the tree's bytes, so
 * that each can be one text. */
static uint32_t choose_value(struct kg_schema *s, uint32_t list, uint32_t types)
{
    const struct kg_json_tree *t = s->tree;
    struct kg_builder *b = s->b;
    uint32_t n = 0, first = b->n_exprs, start = b->n_bytes;
    for (uint32_t i = kg_json_first(t, list); i != KG_JSON_NONE && s->status == KG_OK; i = kg_json_after(t, list, i)) {
        if (kg_json_type(s, i) & types) {
            (void)kg_schema_constant(s, i);
            if (b->full) {
                return 0;
            }
            b->n_exprs = first + n; /* only the bytes are wanted */
            (void)kg_build_span(b, start, b->n_bytes - start);
            start = b->n_bytes;
            n++;
        }
    }
    if (n == 0 || s->status != KG_OK) {
        return kg_schema_refuse(s, "\"enum\" has no value of the type that is asked for");
    }
    return kg_build_words(b, first, n);
}

/* enum or const, of the types that are asked for. */
static uint32_t choose_constant(struct kg_schema *s, uint32_t schema, uint32_t types)
{
    const struct kg_json_tree *t = s->tree;
    uint32_t constant = kg_json_member(t, schema, "const"), list = kg_json_member(t, schema, "enum");
    if (constant != KG_JSON_NONE) {
        if (list != KG_JSON_NONE || !(kg_json_type(s, constant) & types)) {
            return kg_schema_refuse(s, "\"const\" beside \"%s\" is not possible",
                                    list != KG_JSON_NONE ? "enum" : "type");
        }
        return kg_schema_constant(s, constant);
    }
    return choose_value(s, list, types);
}

/* The types that a schema asks for; 0: refused. */
static uint32_t asked_types(struct kg_schema *s, uint32_t schema)
{
    const struct kg_json_tree *t = s->tree;
    uint32_t type = kg_json_member(t, schema, "type"), types = 0;
    if (type == KG_JSON_NONE) {
        return KG_JSON_IS_ANY;
    }
    bool list = t->values[type].kind == KG_JSON_LIST;
    for (uint32_t i = list ? kg_json_first(t, type) : type; i != KG_JSON_NONE;
         i = list ? kg_json_after(t, type, i) : KG_JSON_NONE) {
        uint32_t one = kg_schema_type_word(s, i);
        if (!one) {
            struct kg_text word = t->values[i].kind == KG_JSON_STRING ? kg_json_string(t, i) : (struct kg_text){"", 0};
            kg_schema_refuse(s, "there is no type \"%.*s\"", (int)(word.n < 64 ? word.n : 64), word.data);
            return 0;
        }
        types |= one;
    }
    if (!types) {
        kg_schema_refuse(s, "\"type\" is an empty list");
    }
    return types;
}

/* A value of one type. */
static uint32_t value_of_type(struct kg_schema *s, uint32_t schema, uint32_t type)
{
    switch (type) {
    case KG_JSON_IS_NULL: return kg_schema_text(s, "null");
    case KG_JSON_IS_BOOLEAN: return kg_schema_call(s, "json-boolean");
    case KG_JSON_IS_INTEGER: return kg_schema_number(s, schema, true);
    case KG_JSON_IS_NUMBER: return kg_schema_number(s, schema, false);
    case KG_JSON_IS_STRING: return kg_schema_string(s, schema);
    case KG_JSON_IS_ARRAY: return kg_schema_list(s, schema);
    default: return kg_schema_object(s, schema);
    }
}

/* Without a type, keywords say it: those of objects mean an object. */
static uint32_t value_of_types(struct kg_schema *s, uint32_t schema, uint32_t types, uint32_t kinds)
{
    if (types == KG_JSON_IS_ANY) {
        types = (kinds >> KG_KEYWORD_OF_NUMBER & 1 ? KG_JSON_IS_NUMBER : 0) |
                (kinds >> KG_KEYWORD_OF_STRING & 1 ? KG_JSON_IS_STRING : 0) |
                (kinds >> KG_KEYWORD_OF_ARRAY & 1 ? KG_JSON_IS_ARRAY : 0) |
                (kinds >> KG_KEYWORD_OF_OBJECT & 1 ? KG_JSON_IS_OBJECT : 0);
        if (!types) {
            return kg_schema_call(s, "json-value");
        }
    }
    if (types & KG_JSON_IS_NUMBER) {
        types &= ~KG_JSON_IS_INTEGER;
    }
    uint32_t choice = kg_build_list(s->b, KG_EXPR_CHOICE);
    for (uint32_t type = 1; type < KG_JSON_IS_ANY && s->status == KG_OK; type <<= 1) {
        if (types & type) {
            kg_build_append(s->b, choice, value_of_type(s, schema, type));
        }
    }
    return choice;
}

/* Which kinds of keywords can stand beside one that says all about a value. */
static bool stands_alone(struct kg_schema *s, uint32_t schema, uint32_t kinds, enum kg_keyword_kind what,
                         uint32_t beside)
{
    uint32_t others = kinds & ~(1u << KG_KEYWORD_NOTE | 1u << what | beside);
    if (others) {
        struct kg_text a = kg_schema_keyword(s, schema, others), b = kg_schema_keyword(s, schema, 1u << what);
        kg_schema_refuse(s, "\"%.*s\" beside \"%.*s\" is not supported", (int)a.n, a.data, (int)b.n, b.data);
    }
    return !others;
}

static uint32_t read_object_schema(struct kg_schema *s, uint32_t schema)
{
    uint32_t kinds = kg_schema_kinds(s, schema);
    if (kinds >> KG_KEYWORD_REFUSED & 1) {
        struct kg_text word = kg_schema_keyword(s, schema, 1u << KG_KEYWORD_REFUSED);
        return kg_schema_refuse(s, "\"%.*s\" is not supported", (int)word.n, word.data);
    }
    uint32_t types = asked_types(s, schema), with_type = 1u << KG_KEYWORD_TYPE;
    if (!types) {
        return 0;
    }
    if (kinds >> KG_KEYWORD_REF & 1) {
        return stands_alone(s, schema, kinds, KG_KEYWORD_REF, 0) ? refer_to(s, schema) : 0;
    }
    if (kinds >> KG_KEYWORD_CHOICE & 1) {
        return stands_alone(s, schema, kinds, KG_KEYWORD_CHOICE, with_type) ? choose_schema(s, schema, types) : 0;
    }
    if (kinds >> KG_KEYWORD_VALUES & 1) {
        return stands_alone(s, schema, kinds, KG_KEYWORD_VALUES, with_type) ? choose_constant(s, schema, types) : 0;
    }
    return value_of_types(s, schema, types, kinds);
}

uint32_t kg_schema_value(struct kg_schema *s, uint32_t schema)
{
    enum kg_json_kind kind = s->tree->values[schema].kind;
    if (s->status != KG_OK || s->b->full) {
        return 0;
    }
    if (kind == KG_JSON_TRUE) {
        return kg_schema_call(s, "json-value");
    }
    if (kind != KG_JSON_OBJECT) {
        return kg_schema_refuse(s, kind == KG_JSON_FALSE ? "false lets no value through" : "a schema is an object");
    }
    if (s->depth == KG_BUILD_DEPTH) {
        return kg_schema_refuse(s, "it is nested deeper than %u", KG_BUILD_DEPTH);
    }
    s->depth++;
    uint32_t expr = read_object_schema(s, schema);
    s->depth--;
    return expr;
}

void kg_schema_read_referred(struct kg_schema *s)
{
    struct kg_builder *b = s->b;
    for (uint32_t i = 0; i < b->n_rules && s->status == KG_OK && !b->full; i++) {
        if (b->rules[i].body == KG_NO_EXPR) {
            s->place = (struct kg_text){"", 0};
            uint32_t body = kg_schema_value(s, b->rules[i].at);
            b->rules[i].body = body;
        }
    }
}

enum kg_status kg_schema_begin(struct kg_schema *s)
{
    return kg_gbnf_read(s->b, (struct kg_text){json_rules, sizeof json_rules - 1}, s->error);
}

enum kg_status kg_schema_end(struct kg_schema *s, uint32_t body)
{
    struct kg_builder *b = s->b;
    uint32_t root = kg_build_rule(b, "root", 4, 0);
    if (!b->full) {
        b->rules[root].body = body;
    }
    kg_schema_read_referred(s);
    if (b->full) { /* whatever was refused after that */
        return kg_grammar_full(s->error);
    }
    if (s->status == KG_OK && kg_check_rules(b) != KG_NO_EXPR) {
        kg_schema_refuse(s, "a \"$ref\" leads back to itself, and no value lies between");
    }
    return s->status;
}

static enum kg_status build_schema(struct kg_schema *s)
{
    enum kg_status status = kg_schema_begin(s);
    return status == KG_OK ? kg_schema_end(s, kg_schema_value(s, s->root)) : status;
}

enum kg_status kg_grammar_schema(struct kg_grammar *grammar, const struct kg_json_tree *tree, uint32_t schema,
                                 struct kg_arena *arena, struct kg_arena *scratch, struct kg_error *error)
{
    struct kg_builder b;
    size_t used = scratch->used;
    struct kg_schema s = {.b = &b, .tree = tree, .root = schema, .error = error};
    enum kg_status status = kg_build_begin(&b, scratch) ? build_schema(&s) : kg_grammar_full(error);
    if (status == KG_OK) {
        status = kg_emit_program(&b, kg_build_rule(&b, "root", 4, 0), grammar, arena, scratch, error);
    }
    kg_arena_rewind(scratch, used);
    return status;
}

enum kg_status kg_grammar_read_schema(struct kg_grammar *grammar, struct kg_text json, struct kg_arena *arena,
                                      struct kg_arena *scratch, struct kg_error *error)
{
    size_t used = scratch->used, values = json.n / BYTES_PER_VALUE + 2;
    char *copy = kg_arena_take(scratch, json.n);
    struct kg_json_tree tree = {.values = kg_arena_array(scratch, values, sizeof *tree.values)};
    enum kg_status status = KG_E_INPUT;
    if (!copy || !tree.values || values > UINT32_MAX) {
        kg_arena_rewind(scratch, used);
        return kg_grammar_full(error);
    }
    tree.room = (uint32_t)values;
    memcpy(copy, json.data, json.n);
    if (kg_json_read(&tree, copy, json.n)) {
        status = kg_grammar_schema(grammar, &tree, 0, arena, scratch, error);
    } else {
        kg_error_set(error, KG_E_INPUT, "the JSON schema, byte %zu: %s", tree.problem_at, tree.problem);
        kg_error_hint(error, "a JSON schema is an object, such as {\"type\": \"object\"}");
    }
    kg_arena_rewind(scratch, used);
    return status;
}
