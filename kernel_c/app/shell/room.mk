ENGINE += \
    app/shell/commands.c \
    app/shell/input.c \
    app/shell/lineedit.c \
    app/shell/lineedit_draw.c \
    app/shell/lineedit_history.c \
    app/shell/reader.c \
    app/shell/shell.c
ENGINE_NO_LM += app/shell/micro_shell.c
ENGINE_LM += app/shell/lm_shell.c
ENGINE_LARGE += app/shell/lineedit_test.c
BARE_DRIVERS += app/shell/devices.c
BARE_NO_DRIVERS += app/shell/devices_absent.c
BARE_NET += app/shell/cards.c
BARE_NO_NET += app/shell/cards_absent.c
HOSTED += \
    app/shell/cards_absent.c \
    app/shell/devices_absent.c
BRANCHES += app/shell/lineedit.c
