UEFI += \
    uefi/boot_menu.c \
    uefi/enter.S \
    uefi/firmware.c \
    uefi/kernel_place.c \
    uefi/load_options.c \
    uefi/memory_map.c \
    uefi/picture.c \
    uefi/menu_screen.c \
    uefi/picture_mode.c \
    uefi/qemu_words.c \
    uefi/start.c \
    uefi/stick_files.c
