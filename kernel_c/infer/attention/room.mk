ENGINE_LM += \
    infer/attention/share.c \
    infer/attention/tile.c
