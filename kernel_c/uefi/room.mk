UEFI += \
    uefi/boot_offer.c \
    uefi/clock.c \
    uefi/device_path.c \
    uefi/firmware.c \
    uefi/kernel_place.c \
    uefi/load_options.c \
    uefi/memory_map.c \
    uefi/picture.c \
    uefi/start.c
