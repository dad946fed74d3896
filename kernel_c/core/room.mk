ENGINE += \
    core/arena.c \
    core/arena_count.c \
    core/arena_test.c \
    core/error.c \
    core/format.c \
    core/format_test.c \
    core/parse.c \
    core/parse_test.c \
    core/str.c \
    core/str_test.c \
    core/test.c \
    core/utf8.c \
    core/utf8_test.c
ENGINE_LARGE += core/arena_count_test.c
SMALL += \
    core/arena.c \
    core/arena_count.c \
    core/error.c \
    core/format.c \
    core/parse.c \
    core/str.c \
    core/test.c \
    core/utf8.c
UEFI += \
    core/error.c \
    core/format.c \
    core/parse.c \
    core/str.c \
    core/utf8.c
BRANCHES += core/format.c
