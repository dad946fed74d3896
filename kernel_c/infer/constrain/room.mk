ENGINE_LM += \
    infer/constrain/build.c \
    infer/constrain/check.c \
    infer/constrain/collect.c \
    infer/constrain/emit.c \
    infer/constrain/gbnf.c \
    infer/constrain/matcher.c \
    infer/constrain/order.c \
    infer/constrain/states.c \
    infer/constrain/step.c \
    infer/constrain/utf8_ranges.c
SMALL += \
    infer/constrain/build.c \
    infer/constrain/check.c \
    infer/constrain/emit.c \
    infer/constrain/gbnf.c \
    infer/constrain/utf8_ranges.c
