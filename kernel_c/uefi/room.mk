UEFI += \
    uefi/boot_menu.c \
    uefi/boot_offer.c \
    uefi/clock.c \
    uefi/device_path.c \
    uefi/firmware.c \
    uefi/http.c \
    uefi/kernel_place.c \
    uefi/load_options.c \
    uefi/memory_map.c \
    uefi/menu_program.c \
    uefi/picture.c \
    uefi/menu_picture.c \
    uefi/menu_screen.c \
    uefi/picture_mode.c \
    uefi/server.c \
    uefi/start.c \
    uefi/stick_files.c \
    uefi/tftp.c \
    uefi/volume.c
