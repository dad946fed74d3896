/* The keywords of JSON Schema: see schema.h. */
#include "schema.h"

#include "kgpt/mem.h"

static const struct keyword {
    const char *name;
    enum kg_keyword_kind kind;
} keywords[] = {
    {"type", KG_KEYWORD_TYPE},
    {"enum", KG_KEYWORD_VALUES},
    {"const", KG_KEYWORD_VALUES},
    {"anyOf", KG_KEYWORD_CHOICE},
    {"oneOf", KG_KEYWORD_CHOICE},
    {"allOf", KG_KEYWORD_CHOICE},
    {"$ref", KG_KEYWORD_REF},
    {"minimum", KG_KEYWORD_OF_NUMBER},
    {"maximum", KG_KEYWORD_OF_NUMBER},
    {"exclusiveMinimum", KG_KEYWORD_OF_NUMBER},
    {"exclusiveMaximum", KG_KEYWORD_OF_NUMBER},
    {"minLength", KG_KEYWORD_OF_STRING},
    {"maxLength", KG_KEYWORD_OF_STRING},
    {"pattern", KG_KEYWORD_OF_STRING},
    {"format", KG_KEYWORD_OF_STRING},
    {"items", KG_KEYWORD_OF_ARRAY},
    {"prefixItems", KG_KEYWORD_OF_ARRAY},
    {"minItems", KG_KEYWORD_OF_ARRAY},
    {"maxItems", KG_KEYWORD_OF_ARRAY},
    {"properties", KG_KEYWORD_OF_OBJECT},
    {"required", KG_KEYWORD_OF_OBJECT},
    {"additionalProperties", KG_KEYWORD_OF_OBJECT},
    /* They would need what a grammar cannot say, or can only at great length. */
    {"not", KG_KEYWORD_REFUSED},
    {"if", KG_KEYWORD_REFUSED},
    {"then", KG_KEYWORD_REFUSED},
    {"else", KG_KEYWORD_REFUSED},
    {"dependentSchemas", KG_KEYWORD_REFUSED},
    {"dependentRequired", KG_KEYWORD_REFUSED},
    {"dependencies", KG_KEYWORD_REFUSED},
    {"patternProperties", KG_KEYWORD_REFUSED},
    {"propertyNames", KG_KEYWORD_REFUSED},
    {"minProperties", KG_KEYWORD_REFUSED},
    {"maxProperties", KG_KEYWORD_REFUSED},
    {"unevaluatedItems", KG_KEYWORD_REFUSED},
    {"unevaluatedProperties", KG_KEYWORD_REFUSED},
    {"additionalItems", KG_KEYWORD_REFUSED},
    {"contains", KG_KEYWORD_REFUSED},
    {"minContains", KG_KEYWORD_REFUSED},
    {"maxContains", KG_KEYWORD_REFUSED},
    {"uniqueItems", KG_KEYWORD_REFUSED},
    {"multipleOf", KG_KEYWORD_REFUSED},
    {"divisibleBy", KG_KEYWORD_REFUSED},
    {"disallow", KG_KEYWORD_REFUSED},
    {"extends", KG_KEYWORD_REFUSED},
    {"$dynamicRef", KG_KEYWORD_REFUSED},
    {"$recursiveRef", KG_KEYWORD_REFUSED},
};

/* uniqueItems: false says nothing. */
static bool says_nothing(const struct kg_schema *s, uint32_t key)
{
    return kg_json_says(s->tree, key, "uniqueItems") && s->tree->values[key + 1].kind == KG_JSON_FALSE;
}

enum kg_keyword_kind kg_keyword_kind(const struct kg_schema *s, uint32_t key)
{
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        if (kg_json_says(s->tree, key, keywords[i].name)) {
            return says_nothing(s, key) ? KG_KEYWORD_NOTE : keywords[i].kind;
        }
    }
    return KG_KEYWORD_NOTE;
}

uint32_t kg_schema_kinds(const struct kg_schema *s, uint32_t schema)
{
    const struct kg_json_tree *t = s->tree;
    uint32_t kinds = 0;
    for (uint32_t key = kg_json_first(t, schema); key != KG_JSON_NONE;
         key = kg_json_after(t, schema, kg_json_after(t, schema, key))) {
        kinds |= 1u << kg_keyword_kind(s, key);
    }
    return kinds;
}

struct kg_text kg_schema_keyword(const struct kg_schema *s, uint32_t schema, uint32_t kinds)
{
    const struct kg_json_tree *t = s->tree;
    for (uint32_t key = kg_json_first(t, schema); key != KG_JSON_NONE;
         key = kg_json_after(t, schema, kg_json_after(t, schema, key))) {
        if (kinds >> kg_keyword_kind(s, key) & 1) {
            return kg_json_string(t, key);
        }
    }
    return (struct kg_text){"", 0};
}

bool kg_schema_count(struct kg_schema *s, uint32_t schema, const char *name, uint32_t otherwise, uint32_t *count)
{
    uint32_t value = kg_json_member(s->tree, schema, name);
    uint64_t magnitude;
    bool negative;
    *count = otherwise;
    if (value == KG_JSON_NONE) {
        return true;
    }
    if (!kg_json_whole(s->tree, value, &magnitude, &negative) || (negative && magnitude) || magnitude > 1000000) {
        kg_schema_refuse(s, "\"%s\" is a whole number up to 1000000", name);
        return false;
    }
    *count = (uint32_t)magnitude;
    return true;
}
