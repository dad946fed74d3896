UEFI += \
    uefi/enter.S \
    uefi/firmware.c \
    uefi/kernel_place.c \
    uefi/load_options.c \
    uefi/memory_map.c \
    uefi/picture.c \
    uefi/start.c
