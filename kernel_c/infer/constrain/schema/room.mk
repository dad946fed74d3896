ENGINE_LM += \
    infer/constrain/schema/calls.c \
    infer/constrain/schema/lists.c \
    infer/constrain/schema/numbers.c \
    infer/constrain/schema/objects.c \
    infer/constrain/schema/parts.c \
    infer/constrain/schema/pattern.c \
    infer/constrain/schema/schema.c \
    infer/constrain/schema/strings.c \
    infer/constrain/schema/types.c \
    infer/constrain/schema/values.c \
    infer/constrain/schema/words.c
SMALL += infer/constrain/schema/%
