BARE += \
    platform/boot/boot_info.c \
    platform/boot/uefi.c
UEFI += platform/boot/boot_info.c
