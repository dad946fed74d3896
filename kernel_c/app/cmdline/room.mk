ENGINE += \
    app/cmdline/cmdline.c \
    app/cmdline/cmdline_test.c \
    app/cmdline/options.c \
    app/cmdline/words.c
ENGINE_LM += app/cmdline/lm_options.c
