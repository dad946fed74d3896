ENGINE_LM += \
    infer/constrain/grammar/build.c \
    infer/constrain/grammar/check.c \
    infer/constrain/grammar/emit.c \
    infer/constrain/grammar/gbnf.c \
    infer/constrain/grammar/utf8_ranges.c \
    infer/constrain/grammar/words.c
SMALL += infer/constrain/grammar/%
