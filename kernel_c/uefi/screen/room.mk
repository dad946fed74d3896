UEFI += \
    uefi/screen/menu_picture.c \
    uefi/screen/menu_screen.c \
    uefi/screen/picture_mode.c
