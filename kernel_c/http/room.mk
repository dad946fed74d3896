ENGINE_LM += \
    http/answer.c \
    http/chunked.c \
    http/head.c
SMALL += http/%
