ENGINE += \
    app/cmdline/cmdline.c \
    app/cmdline/cmdline_test.c \
    app/cmdline/options.c \
    app/cmdline/words.c
ENGINE_LM += \
    app/cmdline/lm_options.c \
    app/cmdline/lm_words.c
ENGINE_TRAIN += app/cmdline/block_options.c
ENGINE_NO_TRAIN += app/cmdline/block_options_absent.c
BRANCHES += app/cmdline/cmdline.c
