/* A JSON schema becomes rules of a grammar (docs/constrained.md). What a rule lets through is valid for its schema; not
 * all that is valid is let through. A keyword that cannot be kept to is refused by name. */
#ifndef KGPT_CONSTRAIN_SCHEMA_H
#define KGPT_CONSTRAIN_SCHEMA_H

#include "../grammar/build.h"

#include "kgpt/grammar_schema.h"

/* Types of JSON; a whole number has both of the bits for numbers in checks of overlaps. */
#define KG_JSON_IS_NULL 1u
#define KG_JSON_IS_BOOLEAN 2u
#define KG_JSON_IS_INTEGER 4u
#define KG_JSON_IS_NUMBER 8u
#define KG_JSON_IS_STRING 16u
#define KG_JSON_IS_ARRAY 32u
#define KG_JSON_IS_OBJECT 64u
#define KG_JSON_IS_ANY 127u

/* What a keyword is about. */
enum kg_keyword_kind {
    KG_KEYWORD_NOTE, /* does not restrict a value */
    KG_KEYWORD_REFUSED,
    KG_KEYWORD_TYPE,
    KG_KEYWORD_VALUES, /* enum, const */
    KG_KEYWORD_CHOICE, /* anyOf, oneOf, allOf */
    KG_KEYWORD_REF,
    KG_KEYWORD_OF_NUMBER,
    KG_KEYWORD_OF_STRING,
    KG_KEYWORD_OF_ARRAY,
    KG_KEYWORD_OF_OBJECT,
};

struct kg_schema {
    struct kg_builder *b;
    const struct kg_json_tree *tree;
    uint32_t root; /* the whole schema */
    uint32_t depth;
    uint32_t steps;       /* looks at schemas, for kg_schema_types */
    struct kg_text place; /* the property that is read, for refusals */
    enum kg_status status;
    struct kg_error *error;
};

/* parts.c. Refuses the schema; the first refusal stays. Returns an expression, which a caller can return. */
uint32_t kg_schema_refuse(struct kg_schema *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A rule of its own for an expression. `kind`: the beginning of its name. */
uint32_t kg_schema_rule(struct kg_schema *s, const char *kind, uint32_t body);

/* Shorthands: an expression that calls a rule of the texts that every schema has; one that is a text; a sequence of
 * two. */
uint32_t kg_schema_call(struct kg_schema *s, const char *rule);
uint32_t kg_schema_text(struct kg_schema *s, const char *text);
uint32_t kg_schema_chain(struct kg_schema *s, uint32_t a, uint32_t b);

/* schema.c: the expression of a schema's values. Schemas hold schemas. Circle: schema.c, lists.c,
 * objects.c */
uint32_t kg_schema_value(struct kg_schema *s, uint32_t schema);

/* The rules that every schema needs; those of schemas that others refer to, until there are no more; then the rule
 * `root`. The end returns the status of it all. */
enum kg_status kg_schema_begin(struct kg_schema *s);
void kg_schema_read_referred(struct kg_schema *s);
enum kg_status kg_schema_end(struct kg_schema *s, uint32_t body);

/* words.c: kind of a keyword (NOTE for unknown words, as JSON Schema wants); the kinds that a schema has, as
 * bits; a keyword of a kind in `kinds`, for messages. */
enum kg_keyword_kind kg_keyword_kind(const struct kg_schema *s, uint32_t key);
uint32_t kg_schema_kinds(const struct kg_schema *s, uint32_t schema);
struct kg_text kg_schema_keyword(const struct kg_schema *s, uint32_t schema, uint32_t kinds);
bool kg_schema_count(struct kg_schema *s, uint32_t schema, const char *name, uint32_t otherwise, uint32_t *count);

/* types.c: the types that values of a schema can have; whether two schemas have no value in common, as oneOf
 * needs it; the schema that a $ref names (KG_JSON_NONE: refused). */
uint32_t kg_schema_type_word(const struct kg_schema *s, uint32_t value); /* 0: there is no such type */
uint32_t kg_schema_types(struct kg_schema *s, uint32_t schema);
uint32_t kg_json_type(const struct kg_schema *s, uint32_t value);
bool kg_schemas_differ(struct kg_schema *s, uint32_t a, uint32_t b);
uint32_t kg_schema_target(struct kg_schema *s, uint32_t schema);

/* values.c, numbers.c, strings.c, lists.c, objects.c: expressions. */
uint32_t kg_schema_constant(struct kg_schema *s, uint32_t value);       /* a value as compact JSON */
uint32_t kg_schema_json_text(struct kg_schema *s, struct kg_text text); /* a string, in quotes */
uint32_t kg_schema_number(struct kg_schema *s, uint32_t schema, bool integer);
uint32_t kg_schema_string(struct kg_schema *s, uint32_t schema);
uint32_t kg_schema_list(struct kg_schema *s, uint32_t schema);
uint32_t kg_schema_object(struct kg_schema *s, uint32_t schema);

/* pattern.c: a regular expression over what a string says. */
uint32_t kg_schema_pattern(struct kg_schema *s, struct kg_text pattern);

#endif
