ENGINE_LM += \
    infer/constrain/build.c \
    infer/constrain/calls.c \
    infer/constrain/check.c \
    infer/constrain/collect.c \
    infer/constrain/emit.c \
    infer/constrain/gbnf.c \
    infer/constrain/grammar_test.c \
    infer/constrain/matcher.c \
    infer/constrain/order.c \
    infer/constrain/schema.c \
    infer/constrain/schema_lists.c \
    infer/constrain/schema_numbers.c \
    infer/constrain/schema_objects.c \
    infer/constrain/schema_parts.c \
    infer/constrain/schema_pattern.c \
    infer/constrain/schema_strings.c \
    infer/constrain/schema_types.c \
    infer/constrain/schema_values.c \
    infer/constrain/schema_words.c \
    infer/constrain/states.c \
    infer/constrain/step.c \
    infer/constrain/utf8_ranges.c \
    infer/constrain/words.c
SMALL += \
    infer/constrain/build.c \
    infer/constrain/check.c \
    infer/constrain/emit.c \
    infer/constrain/gbnf.c \
    infer/constrain/schema.c \
    infer/constrain/schema_lists.c \
    infer/constrain/schema_numbers.c \
    infer/constrain/schema_objects.c \
    infer/constrain/schema_parts.c \
    infer/constrain/schema_pattern.c \
    infer/constrain/schema_strings.c \
    infer/constrain/schema_types.c \
    infer/constrain/schema_values.c \
    infer/constrain/schema_words.c \
    infer/constrain/utf8_ranges.c \
    infer/constrain/words.c
