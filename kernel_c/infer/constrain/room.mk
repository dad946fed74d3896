ENGINE_LM += \
    infer/constrain/collect.c \
    infer/constrain/grammar_test.c \
    infer/constrain/matcher.c \
    infer/constrain/order.c \
    infer/constrain/states.c \
    infer/constrain/step.c
