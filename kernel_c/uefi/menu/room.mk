UEFI += \
    uefi/menu/boot_menu.c \
    uefi/menu/menu_program.c
