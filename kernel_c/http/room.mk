ENGINE_LM += \
    http/answer.c \
    http/chunked.c \
    http/fields.c \
    http/get.c \
    http/head.c \
    http/response.c \
    http/url.c
SMALL += http/%
SHORT_LOOPS += http/%
