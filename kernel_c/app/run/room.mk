ENGINE += \
    app/run/bench.c \
    app/run/cpus.c \
    app/run/generation.c \
    app/run/request.c \
    app/run/selftest.c \
    app/run/texts.c
ENGINE_LARGE += app/run/module.c
