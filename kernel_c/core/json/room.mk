ENGINE += \
    core/json/event.c \
    core/json/json.c \
    core/json/json_test.c
ENGINE_LM += \
    core/json/json_read.c \
    core/json/json_value.c
SMALL += \
    core/json/event.c \
    core/json/json.c \
    core/json/json_read.c \
    core/json/json_value.c
BRANCHES += core/json/event.c
