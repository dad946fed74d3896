/* What types the values of a schema have, and whether two schemas can have a value in common: see schema.h. */
#include "schema.h"

#include "kgpt/mem.h"

#define MOST_STEPS 64u        /* through references */
#define MOST_LOOKS (1u << 16) /* at schemas: choices of choices can be many; then every type is possible */

uint32_t kg_schema_type_word(const struct kg_schema *s, uint32_t value)
{
    static const char *const names[] = {"null", "boolean", "integer", "number", "string", "array", "object"};
    for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (kg_json_says(s->tree, value, names[i])) {
            return names[i][1] == 'u' && names[i][2] == 'm' ? KG_JSON_IS_NUMBER | KG_JSON_IS_INTEGER : 1u << i;
        }
    }
    return 0;
}

uint32_t kg_json_type(const struct kg_schema *s, uint32_t value)
{
    uint64_t magnitude;
    bool negative;
    switch (s->tree->values[value].kind) {
    case KG_JSON_NULL: return KG_JSON_IS_NULL;
    case KG_JSON_FALSE:
    case KG_JSON_TRUE: return KG_JSON_IS_BOOLEAN;
    case KG_JSON_STRING: return KG_JSON_IS_STRING;
    case KG_JSON_LIST: return KG_JSON_IS_ARRAY;
    case KG_JSON_OBJECT: return KG_JSON_IS_OBJECT;
    default: break;
    }
    return kg_json_whole(s->tree, value, &magnitude, &negative) ? KG_JSON_IS_INTEGER : KG_JSON_IS_NUMBER;
}

/* The end of one step of a JSON pointer: "/" or the end. */
static size_t step_end(struct kg_text pointer, size_t at)
{
    while (at < pointer.n && pointer.data[at] != '/') {
        at++;
    }
    return at;
}

/* Is `key` what a step of a pointer says? ~0 is ~, and ~1 is /. */
static bool step_names(struct kg_text step, struct kg_text key)
{
    size_t at = 0;
    for (size_t i = 0; i < step.n; i++, at++) {
        char c = step.data[i];
        if (c == '~' && i + 1 < step.n) {
            c = step.data[++i] == '1' ? '/' : '~';
        }
        if (at >= key.n || key.data[at] != c) {
            return false;
        }
    }
    return at == key.n;
}

static uint32_t take_step(const struct kg_json_tree *t, uint32_t value, struct kg_text step)
{
    uint32_t n = 0, wanted = 0;
    bool object = t->values[value].kind == KG_JSON_OBJECT;
    for (size_t i = 0; i < step.n && !object; i++) {
        if (step.data[i] < '0' || step.data[i] > '9' || i > 6) {
            return KG_JSON_NONE;
        }
        wanted = wanted * 10 + (uint32_t)(step.data[i] - '0');
    }
    if (!object && (t->values[value].kind != KG_JSON_LIST || !step.n)) {
        return KG_JSON_NONE;
    }
    for (uint32_t i = kg_json_first(t, value); i != KG_JSON_NONE; i = kg_json_after(t, value, i), n++) {
        if (!object && n == wanted) {
            return i;
        }
        if (object) {
            uint32_t held = kg_json_after(t, value, i);
            if (step_names(step, kg_json_string(t, i))) {
                return held;
            }
            i = held;
        }
    }
    return KG_JSON_NONE;
}

uint32_t kg_schema_target(struct kg_schema *s, uint32_t schema)
{
    const struct kg_json_tree *t = s->tree;
    uint32_t ref = kg_json_member(t, schema, "$ref"), value = s->root;
    if (t->values[ref].kind != KG_JSON_STRING) {
        kg_schema_refuse(s, "\"$ref\" is a string");
        return KG_JSON_NONE;
    }
    struct kg_text pointer = kg_json_string(t, ref);
    bool here = pointer.n == 1 || (pointer.n > 1 && pointer.data[1] == '/');
    value = here && pointer.data[0] == '#' ? value : KG_JSON_NONE;
    for (size_t at = 1; at < pointer.n && value != KG_JSON_NONE;) {
        size_t end = step_end(pointer, at + 1);
        value = take_step(t, value, (struct kg_text){pointer.data + at + 1, end - at - 1});
        at = end;
    }
    if (value == KG_JSON_NONE) {
        kg_schema_refuse(s, "\"$ref\": there is no \"%.*s\" in the schema", (int)(pointer.n < 64 ? pointer.n : 64),
                         pointer.data);
    }
    return value;
}

/* Follows references; KG_JSON_NONE: there is no end, or it was refused. */
static uint32_t follow(struct kg_schema *s, uint32_t schema)
{
    for (uint32_t steps = 0; steps < MOST_STEPS && schema != KG_JSON_NONE; steps++) {
        if (s->tree->values[schema].kind != KG_JSON_OBJECT || kg_json_member(s->tree, schema, "$ref") == KG_JSON_NONE) {
            return schema;
        }
        schema = kg_schema_target(s, schema);
    }
    return KG_JSON_NONE;
}

/* The list behind a keyword, or the value behind another one: KG_JSON_NONE if it has neither. */
static uint32_t choices_of(const struct kg_schema *s, uint32_t schema)
{
    static const char *const names[] = {"anyOf", "oneOf", "allOf"};
    uint32_t list = KG_JSON_NONE;
    for (uint32_t i = 0; i < 3 && list == KG_JSON_NONE; i++) {
        list = kg_json_member(s->tree, schema, names[i]);
    }
    return list;
}

static uint32_t types_of_constants(const struct kg_schema *s, uint32_t schema)
{
    const struct kg_json_tree *t = s->tree;
    uint32_t constant = kg_json_member(t, schema, "const"), list = kg_json_member(t, schema, "enum"), types = 0;
    if (constant != KG_JSON_NONE) {
        return kg_json_type(s, constant);
    }
    for (uint32_t i = list == KG_JSON_NONE ? list : kg_json_first(t, list); i != KG_JSON_NONE;
         i = kg_json_after(t, list, i)) {
        types |= kg_json_type(s, i);
    }
    return types ? types : KG_JSON_IS_ANY;
}

static uint32_t types_of_word(const struct kg_schema *s, uint32_t schema)
{
    const struct kg_json_tree *t = s->tree;
    uint32_t type = kg_json_member(t, schema, "type"), types = 0;
    if (type == KG_JSON_NONE) {
        return KG_JSON_IS_ANY;
    }
    if (t->values[type].kind != KG_JSON_LIST) {
        return kg_schema_type_word(s, type);
    }
    for (uint32_t i = kg_json_first(t, type); i != KG_JSON_NONE; i = kg_json_after(t, type, i)) {
        types |= kg_schema_type_word(s, i);
    }
    return types;
}

uint32_t kg_schema_types(struct kg_schema *s, uint32_t schema)
{
    uint32_t kinds, list;
    schema = s->steps++ < MOST_LOOKS ? follow(s, schema) : KG_JSON_NONE;
    if (schema == KG_JSON_NONE || s->tree->values[schema].kind != KG_JSON_OBJECT || s->depth == KG_BUILD_DEPTH) {
        return KG_JSON_IS_ANY;
    }
    list = choices_of(s, schema);
    if (list != KG_JSON_NONE && s->tree->values[list].kind == KG_JSON_LIST) {
        uint32_t types = 0;
        s->depth++;
        for (uint32_t i = kg_json_first(s->tree, list); i != KG_JSON_NONE; i = kg_json_after(s->tree, list, i)) {
            types |= kg_schema_types(s, i);
        }
        s->depth--;
        return types & types_of_word(s, schema);
    }
    kinds = kg_schema_kinds(s, schema);
    uint32_t types = types_of_word(s, schema) & types_of_constants(s, schema);
    if (types == KG_JSON_IS_ANY && !(kinds >> KG_KEYWORD_VALUES & 1)) { /* as value_of_types has it */
        uint32_t said = (kinds >> KG_KEYWORD_OF_NUMBER & 1 ? KG_JSON_IS_NUMBER | KG_JSON_IS_INTEGER : 0) |
                        (kinds >> KG_KEYWORD_OF_STRING & 1 ? KG_JSON_IS_STRING : 0) |
                        (kinds >> KG_KEYWORD_OF_ARRAY & 1 ? KG_JSON_IS_ARRAY : 0) |
                        (kinds >> KG_KEYWORD_OF_OBJECT & 1 ? KG_JSON_IS_OBJECT : 0);
        types = said ? said : types;
    }
    return types;
}

/* Are two values surely different? Lists and objects count as alike. */
static bool values_differ(const struct kg_json_tree *t, uint32_t a, uint32_t b)
{
    enum kg_json_kind kind = t->values[a].kind;
    if (kind != t->values[b].kind) {
        return true;
    }
    if (kind == KG_JSON_STRING) {
        struct kg_text x = kg_json_string(t, a), y = kg_json_string(t, b);
        return x.n != y.n || memcmp(x.data, y.data, x.n) != 0;
    }
    double x = kind == KG_JSON_NUMBER ? kg_json_number(t, a) : 0, y = kind == KG_JSON_NUMBER ? kg_json_number(t, b) : 0;
    return x < y - 1e-9 || x > y + 1e-9;
}

/* The constants of a schema: a value by itself (const), or the first one of a list (enum). */
struct constants {
    uint32_t list, first; /* KG_JSON_NONE: no list; none at all */
};

static struct constants constants_of(struct kg_schema *s, uint32_t schema)
{
    struct constants found = {KG_JSON_NONE, KG_JSON_NONE};
    schema = follow(s, schema);
    if (schema != KG_JSON_NONE) {
        found.first = kg_json_member(s->tree, schema, "const");
        if (found.first == KG_JSON_NONE) {
            found.list = kg_json_member(s->tree, schema, "enum");
            found.first = found.list == KG_JSON_NONE ? KG_JSON_NONE : kg_json_first(s->tree, found.list);
        }
    }
    return found;
}

static bool constants_differ(const struct kg_json_tree *t, struct constants a, struct constants b)
{
    bool differ = a.first != KG_JSON_NONE && b.first != KG_JSON_NONE;
    for (uint32_t i = a.first; i != KG_JSON_NONE && differ;
         i = a.list == KG_JSON_NONE ? KG_JSON_NONE : kg_json_after(t, a.list, i)) {
        for (uint32_t j = b.first; j != KG_JSON_NONE && differ;
             j = b.list == KG_JSON_NONE ? KG_JSON_NONE : kg_json_after(t, b.list, j)) {
            differ = values_differ(t, i, j);
        }
    }
    return differ;
}

static bool requires(const struct kg_json_tree *t, uint32_t schema, struct kg_text name)
{
    uint32_t list = kg_json_member(t, schema, "required");
    for (uint32_t i = list == KG_JSON_NONE ? list : kg_json_first(t, list); i != KG_JSON_NONE;
         i = kg_json_after(t, list, i)) {
        if (t->values[i].kind == KG_JSON_STRING) {
            struct kg_text word = kg_json_string(t, i);
            if (word.n == name.n && memcmp(word.data, name.data, name.n) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* A property that both objects must have, with different constants. */
static bool told_apart(struct kg_schema *s, uint32_t a, uint32_t b)
{
    const struct kg_json_tree *t = s->tree;
    uint32_t of_a = kg_json_member(t, a, "properties"), of_b = kg_json_member(t, b, "properties");
    if (of_a == KG_JSON_NONE || of_b == KG_JSON_NONE) {
        return false;
    }
    for (uint32_t key = kg_json_first(t, of_a); key != KG_JSON_NONE;) {
        uint32_t value = kg_json_after(t, of_a, key);
        struct kg_text name = kg_json_string(t, key);
        for (uint32_t other = kg_json_first(t, of_b); other != KG_JSON_NONE;) {
            uint32_t held = kg_json_after(t, of_b, other);
            struct kg_text same = kg_json_string(t, other);
            if (same.n == name.n && memcmp(same.data, name.data, name.n) == 0 && requires(t, a, name) &&
                requires(t, b, name) && constants_differ(t, constants_of(s, value), constants_of(s, held))) {
                return true;
            }
            other = kg_json_after(t, of_b, held);
        }
        key = kg_json_after(t, of_a, value);
    }
    return false;
}

bool kg_schemas_differ(struct kg_schema *s, uint32_t a, uint32_t b)
{
    uint32_t types_a = kg_schema_types(s, a), types_b = kg_schema_types(s, b);
    const uint32_t numbers = KG_JSON_IS_INTEGER | KG_JSON_IS_NUMBER;
    types_a |= types_a & numbers ? numbers : 0; /* 1 is a number, and 1.0 an integer */
    if (!(types_a & types_b)) {
        return true;
    }
    if (constants_differ(s->tree, constants_of(s, a), constants_of(s, b))) {
        return true;
    }
    a = follow(s, a);
    b = follow(s, b);
    return a != KG_JSON_NONE && b != KG_JSON_NONE && (types_a & types_b) == KG_JSON_IS_OBJECT && told_apart(s, a, b);
}
