ENGINE += \
    console/font.c \
    console/keyboard.c \
    console/picture.c \
    console/pixels.c \
    console/terminal.c \
    console/writer.c
ENGINE_LARGE += \
    console/keyboard_test.c \
    console/pixels_test.c \
    console/terminal_test.c
BARE_DRIVERS += console/layouts.c
UEFI += \
    console/font.c \
    console/pixels.c
SMALL += console/%
NO_FP += console/%
GENERATED += console/%
BRANCHES += console/terminal.c
